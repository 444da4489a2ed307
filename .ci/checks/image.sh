#!/usr/bin/env bash
# image.sh [PROGRAM]: runs the program as the image of deploy/Dockerfile would, without a container engine: in a root
# folder with what the Dockerfile puts there and nothing else, read-only but for /data and /tmp, as its user, as
# process 1, without a way to more rights. PROGRAM was built as the Dockerfile says; without it that is done first
# (a minute or two). Wants root.
set -euo pipefail
cd "$(dirname "$0")/../.."
[ "$(id -u)" = 0 ] || { echo "image.sh: only root may enter another root folder"; exit 1; }
if [ "${1:-}" != --inside ]; then
  tmp=$(mktemp -d)
  trap 'rm -rf "$tmp"' EXIT
  mkdir "$tmp/root"
  if [ -n "${1:-}" ]; then
    cp "$1" "$tmp/root/broadsheet"
  else
    how=$(sed -n 's|^RUN \(CGO_ENABLED=0 go build .*\) -o /image/broadsheet \.$|\1|p' deploy/Dockerfile)
    VERSION=tried eval "$how -o '$tmp/root/broadsheet' ."
  fi
  # A mount table of its own: what is mounted is gone with it.
  unshare --mount "$0" --inside "$tmp"
  exit
fi

tmp=$2 root=$2/root
# What the last RUN makes, and what the COPY lines take from the build stage's system.
eval "$(sed -n '/^RUN mkdir/,/[^\\]$/p' deploy/Dockerfile | sed "s|^RUN ||; s|/image|$root|g")"
sed -n 's|^COPY --from=build \(/[a-z].*\) \(/.*\)$|\1 \2|p' deploy/Dockerfile | grep -v '^/image' | while read -r from to; do
  mkdir -p "$(dirname "$root$to")" && cp -r "$from" "$root$to"
done
user=$(sed -n 's/^USER //p' deploy/Dockerfile)
env=$(sed -n 's/^ENV //p' deploy/Dockerfile)
words() { node -e 'console.log(JSON.parse(process.argv[1]).join("\n"))' "$1"; }
mapfile -t start < <(words "$(sed -n 's/^CMD //p' deploy/Dockerfile)")
mapfile -t health < <(words "$(sed -n 's/^HEALTHCHECK .*CMD //p' deploy/Dockerfile)")

mkdir -p "$root/tmp" "$root/proc" "$root/etc/broadsheet"
cp schedule.yaml "$root/etc/broadsheet/shipped.yaml"
cat >"$root/etc/broadsheet/schedule.yaml" <<'Y'
publication: {name: Lantern, from: desk@lantern.example, postal_address: 1 Quay, public_url: "https://lantern.example"}
sections: [{id: world, name: World}]
editions: [{name: morning, title: Morning, cron: "0 7 * * *", zone: Asia/Dubai}]
relays: [{host: 127.0.0.1, port: 2599, tls: none}]
Y
mount --bind "$root" "$root" && mount -o remount,bind,ro,nosuid,nodev "$root"
mount -t tmpfs -o "mode=0700,uid=${user%:*},gid=${user#*:}" tmpfs "$root/data"
mount -t tmpfs -o mode=1777 tmpfs "$root/tmp"

# inside WORD...: the program as process 1 of its own table.
inside() {
  env -i PATH="$PATH:/usr/sbin" "$env" BROADSHEET_KEY_FILE=/data/keys setpriv --no-new-privs \
    unshare --pid --fork --kill-child --mount-proc="$root/proc" chroot --userspec="$user" --groups= "$root" /broadsheet "$@"
}
fail() { echo "image.sh: $1"; cat "$tmp/log"; exit 1; }

inside --version
files=$(find "$root" -xdev -type f -not -path '*/zoneinfo/*' | sed "s|$root||" | sort | tr '\n' ' ')
echo "in it: $files and $(find "$root/usr/share/zoneinfo" -type f | wc -l) files of time zones"
inside keys rotate --config /etc/broadsheet/schedule.yaml >"$tmp/log" 2>&1 || fail "no keys"
# The main job, in there.
inside demo --once --out /tmp/out --config /etc/broadsheet/shipped.yaml >"$tmp/log" 2>&1 || fail "demo fails"
grep -q 'books balance' "$tmp/log" || fail "the demo's books do not balance"
inside "${start[@]}" --config /etc/broadsheet/schedule.yaml >"$tmp/log" 2>&1 &
run=$!
ready=
for _ in $(seq 100); do
  if ready=$(inside "${health[@]:1}" 2>"$tmp/health"); then break; fi
  kill -0 $run 2>/dev/null || fail "serve has ended"
  sleep 0.2
done
[ "$ready" = ready ] || { cat "$tmp/health"; fail "it does not become ready"; }
inside doctor --config /etc/broadsheet/schedule.yaml --json >"$tmp/doctor" 2>&1 || true # without a relay not all is well
grep -q '"name":"time zone data","level":"green"' "$tmp/doctor" || { cat "$tmp/doctor"; fail "no time zones"; }
process=$(pgrep -P "$(pgrep -P $run -x unshare || echo $run)" -x broadsheet)
echo "process 1 in there: $(grep -E '^(Uid|NoNewPrivs|CapEff|NSpid)' "/proc/$process/status" | tr -s '\t\n' '  ')"
began=$(date +%s%N)
kill -TERM "$process"
code=0; wait $run || code=$?
took=$((($(date +%s%N) - began) / 1000000))
[ $code = 0 ] || fail "exit code $code after SIGTERM"
[ $took -lt 10000 ] || fail "it took $took ms to end"
if inside "${health[@]:1}" 2>/dev/null; then fail "it is ready after its end"; fi
echo "image: demo's books balance; serve ready, time zones from the image, ended $took ms after SIGTERM with 0"
