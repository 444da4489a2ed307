// dockerfile.mjs FILE: what the language server of Dockerfiles has against one.
import { readFileSync } from "node:fs";
import { validate } from "dockerfile-utils";

const file = process.argv[2];
const found = validate(readFileSync(file, "utf8"));
for (const f of found) console.log(`${file}:${f.range.start.line + 1}: ${f.message}`);
if (found.length > 0) process.exit(1);
if (validate("FROM scratch\nHEALTHCHECK --intervall=1s CMD true\n").length === 0) throw new Error("a wrong flag passes");
console.log(`${file}: nothing found`);
