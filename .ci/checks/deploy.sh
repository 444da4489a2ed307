#!/usr/bin/env bash
# deploy.sh TOOLS: the files of deploy/ under the checkers of those who read them. TOOLS is a folder with
# .ci/checks/package.json installed in it.
set -euo pipefail
tools=$(cd "$1" && pwd)
cd "$(dirname "$0")/../.."
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
export PATH="$PATH:$(go env GOPATH)/bin"

# Dockerfile.
node "$tools/dockerfile.mjs" deploy/Dockerfile

# Compose: the library of docker compose itself, with what the user puts beside the file.
mkdir -p "$tmp/repo/deploy/config" "$tmp/repo/deploy/secrets"
cp -r deploy/* "$tmp/repo/deploy/"
compose=$(go env GOPATH)/bin/compose-config
[ -x "$compose" ] || { GOBIN=$tmp go install github.com/compose-spec/compose-go/v2/cmd@v2.16.2 && mv "$tmp/cmd" "$compose"; }
"$compose" "$tmp/repo/deploy/compose.yaml" >/dev/null
# It must be one that finds something.
sed 's/cap_drop:/cap_drops:/' deploy/compose.yaml >"$tmp/repo/deploy/wrong.yaml"
if "$compose" "$tmp/repo/deploy/wrong.yaml" >/dev/null 2>&1; then echo "a compose file with a wrong key passes"; exit 1; fi
echo "deploy/compose.yaml loads"

# Kubernetes: rendered as kubectl apply -k does, then held to the types of its API, unknown fields refused.
command -v kubectl >/dev/null && kustomize=(kubectl kustomize) || kustomize=(kustomize build)
command -v "${kustomize[0]}" >/dev/null || go install sigs.k8s.io/kustomize/kustomize/v5@v5.6.0
cp schedule.yaml "$tmp/repo/deploy/kubernetes/"
"${kustomize[@]}" "$tmp/repo/deploy/kubernetes" >"$tmp/kubernetes.yaml"
node "$tools/kubernetes.mjs" "$tmp/kubernetes.yaml"

# systemd: units with the program where they look for it.
mkdir "$tmp/units"
for unit in deploy/systemd/*.service deploy/systemd/*.target; do
  sed "s|/usr/local/bin/broadsheet|/bin/true|" "$unit" >"$tmp/units/${unit##*/}"
done
cp "$tmp/units/broadsheet@.service" "$tmp/units/broadsheet@send-1.service"
(
  cd "$tmp/units"
  systemd-analyze verify --man=no ./broadsheet.service ./broadsheet@send-1.service ./broadsheet.target 2>&1 | tee verify.log
  [ ! -s verify.log ] || { echo "systemd has something to say"; exit 1; }
  for unit in broadsheet broadsheet@send-1; do
    systemd-analyze security --offline=true --threshold=20 "./$unit.service" | tail -1
  done
)
