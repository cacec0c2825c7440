/* Add the text of the licence of what was published without: Jupyter's packages have one licence and one holder. */
import { readFileSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";

const LIST = "collaboratory_jupyterlab/labextension/static/third-party-licenses.json";
const { resolve } = createRequire(`${process.cwd()}/`);
const text = readFileSync(join(dirname(resolve("@jupyter/builder/package.json")), "LICENSE"), "utf8");

const list = JSON.parse(readFileSync(LIST, "utf8"));
for (const one of list.packages) {
  if (!one.extractedText && one.licenseId === "BSD-3-Clause" && one.name.startsWith("@jupyter")) {
    one.extractedText = text;
  }
  if (!one.extractedText) {
    throw new Error(`There is no text of the licence of ${one.name}.`);
  }
}
writeFileSync(LIST, `${JSON.stringify(list, null, 2)}\n`);
