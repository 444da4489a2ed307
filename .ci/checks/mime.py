"""Strict reading of mails: no defect anywhere, CRLF only, no long line, one of each header."""
import sys
from collections import Counter
from email import message_from_bytes
from email.policy import SMTP

bad = 0
for name in sys.argv[1:]:
    raw = open(name, "rb").read()
    found = []
    if raw.replace(b"\r\n", b"").count(b"\n") or raw.replace(b"\r\n", b"").count(b"\r"):
        found.append("bare CR or LF")
    if any(len(line) > 998 for line in raw.split(b"\r\n")):
        found.append("line over 998 octets")
    if any(b > 127 for b in raw):
        found.append("8-bit octet")
    message = message_from_bytes(raw, policy=SMTP)
    for header, n in Counter(k.lower() for k in message.keys()).items():
        if n > 1:
            found.append(f"{n} times {header}")
    for part in message.walk():
        found += [repr(d) for d in part.defects]
        for value in part.values():
            found += [repr(d) for d in getattr(value, "defects", ())]
        if not part.is_multipart():
            part.get_content()
    for f in found:
        bad += 1
        print(f"{name}: {f}")
print(f"mime: {len(sys.argv) - 1} mails, {bad} findings")
sys.exit(1 if bad else 0)
