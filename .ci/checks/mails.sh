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
# judge EML: SpamAssassin's verdict. Two at a time: each takes seconds.
judge() {
  local home out score
  home=$(mktemp -d); out=$home/out
  # A relay adds Received; without one the rules about dates stay silent. That it is this machine earns no points.
  { printf 'Received: from localhost (localhost [127.0.0.1]) by localhost; %s\r\n' "$(grep -m1 -i '^Date:' "$1" | cut -d' ' -f2- | tr -d '\r')"; cat "$1"; } |
    HOME=$home spamassassin -L -t --cf='use_bayes 0' --cf='score ALL_TRUSTED 0' >"$out" 2>/dev/null
  score=$(grep -m1 -oE 'score=-?[0-9.]+' "$out" | cut -d= -f2)
  if [ -z "$score" ]; then echo "spamassassin gave no score: $(basename "$1")"; return 1; fi
  echo "spamassassin: $(basename "$1") $score"
  awk -v s="$score" 'BEGIN { exit !(s <= 0) }' || { grep -A20 'Content analysis' "$out"; return 1; }
  rm -rf "$home"
}
export -f judge
printf '%s\0' "$@" | xargs -0 -P 2 -n 1 bash -c 'judge "$1"' judge
