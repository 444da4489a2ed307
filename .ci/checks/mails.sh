#!/usr/bin/env bash
# mails.sh TOOLS HTML... -- EML...: vnu, html-validate and axe on the HTML, strict MIME and SpamAssassin's local rules on the mails.
set -euo pipefail
tools=$1; shift
html=(); while [ "$1" != -- ]; do html+=("$1"); shift; done; shift
java -jar "$tools/node_modules/vnu-jar/build/dist/vnu.jar" --errors-only --filterpattern '.*mso-.*' "${html[@]}"
echo "vnu: ${#html[@]} files, 0 errors"
(cd "$tools" && node_modules/.bin/html-validate --config htmlvalidate.json "${html[@]}")
echo "html-validate: ${#html[@]} files, 0 errors"
(cd "$tools" && node axe.mjs "${html[@]}")
python3 "$tools/mime.py" "$@"
# judge EML...: SpamAssassin's verdicts, by one process: to start takes it longer than to judge.
judge() {
  local home name scores n=0
  home=$(mktemp -d)
  for name in "$@"; do
    # A relay adds Received; without one the rules about dates stay silent. That it is this machine earns no points.
    n=$((n + 1))
    { printf 'Received: from localhost (localhost [127.0.0.1]) by localhost; %s\r\n' "$(grep -m1 -i '^Date:' "$name" | cut -d' ' -f2- | tr -d '\r')"; cat "$name"; } >"$home/$(printf %03d.eml $n)"
  done
  HOME=$home spamassassin -L -t --cf='use_bayes 0' --cf='score ALL_TRUSTED 0' "$home"/*.eml >"$home/out" 2>/dev/null
  mapfile -t scores < <(grep -aoE '^X-Spam-Status: .*score=-?[0-9.]+' "$home/out" | cut -d= -f2)
  if [ ${#scores[@]} != $# ]; then echo "spamassassin gave ${#scores[@]} scores for $# mails"; return 1; fi
  for ((n = 0; n < $#; n++)); do
    echo "spamassassin: $(basename "${@:n+1:1}") ${scores[n]}"
    awk -v s="${scores[n]}" 'BEGIN { exit !(s <= 0) }' || { grep -a -A20 'Content analysis' "$home/out"; return 1; }
  done
  rm -rf "$home"
}
judge "$@"
