// kubernetes.mjs FILE: holds every object of a file to the API's schema (kubernetes-models), and to its types, which
// refuse unknown fields (TypeScript).
import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { loadAll } from "js-yaml";

const require = createRequire(import.meta.url);
const here = dirname(fileURLToPath(import.meta.url));
const room = (o) => "kubernetes-models/" + o.apiVersion;

function types(objects) {
  const dir = mkdtempSync(join(here, "kubernetes-")); // beside node_modules, where types are looked for
  const file = join(dir, "objects.ts");
  writeFileSync(file, objects.map((o, n) => `import type { I${o.kind} as T${n} } from "${room(o)}";\nexport const o${n}: T${n} = ${JSON.stringify(o, null, 1)};\n`).join(""));
  try {
    execFileSync(join(here, "node_modules/.bin/tsc"), ["--noEmit", "--strict", "--skipLibCheck", "--module", "nodenext", file], { encoding: "utf8" });
    return "";
  } catch (e) {
    return e.stdout || String(e);
  } finally {
    rmSync(dir, { recursive: true });
  }
}

const objects = loadAll(readFileSync(process.argv[2], "utf8"));
let wrong = types(objects);
for (const o of objects) {
  try {
    new (require(room(o))[o.kind])(o).validate();
  } catch (e) {
    wrong += `${o.kind} ${o.metadata.name}: ${e.message}\n`;
  }
}
if (wrong) {
  console.log(wrong);
  process.exit(1);
}
const broken = structuredClone(objects.find((o) => o.kind === "Deployment"));
broken.spec.template.spec.containers[0].readinesProbe = {};
if (!types([broken]).includes("readinesProbe")) throw new Error("an unknown field passes");
console.log(`${objects.length} objects hold: ${[...new Set(objects.map((o) => o.kind))].join(", ")}`);
