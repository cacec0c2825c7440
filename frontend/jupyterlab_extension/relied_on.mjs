/*
 * Compare what src/rooms/ relies on inside other packages, beyond what they promise, with what it was written for.
 *
 * After an upgrade the build fails here: read what has changed in the files that it names, mend what relied on it, run
 * tests/browser/test_editing_together.py, and note the new sums with `node relied_on.mjs --update`.
 */
import { createHash } from "node:crypto";
import { readFileSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";

const NOTED = "relied_on.json";
const { resolve } = createRequire(`${process.cwd()}/`);

function sum(path) {
  const [scope, name, ...inside] = path.split("/");
  const file = join(dirname(resolve(`${scope}/${name}/package.json`)), ...inside);
  return createHash("sha256").update(readFileSync(file)).digest("hex");
}

const noted = JSON.parse(readFileSync(NOTED, "utf8"));
const found = Object.fromEntries(Object.keys(noted).map(path => [path, sum(path)]));
const changed = Object.keys(noted).filter(path => noted[path] !== found[path]);
if (process.argv.includes("--update")) {
  writeFileSync(NOTED, `${JSON.stringify(found, null, 2)}\n`);
} else if (changed.length) {
  console.error("These files are not what src/rooms/ was written for (see relied_on.mjs):", ...changed);
  process.exit(1);
}
