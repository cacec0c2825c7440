/* Bundle index.js into dist/tus.js, with the licences of all that is in it beside it. */
import { readdirSync, readFileSync, writeFileSync } from "node:fs";

import { build } from "esbuild";

const { metafile } = await build({
  entryPoints: ["index.js"],
  outfile: "dist/tus.js",
  bundle: true,
  minify: true,
  format: "iife",
  globalName: "tus",
  target: "es2020",
  banner: { js: "/* Built by bin/build-frontend; the licences are in tus.LICENSES.txt. */" },
  metafile: true,
});

/* "../node_modules/@a/b/lib/c.js" → "../node_modules/@a/b" */
const folderOf = path => /^.*node_modules\/(?:@[^/]+\/)?[^/]+/.exec(path)?.[0];

const folders = new Set(Object.keys(metafile.inputs).map(folderOf).filter(Boolean));
const texts = [...folders].sort().map(folder => {
  const { name, version, license } = JSON.parse(readFileSync(`${folder}/package.json`, "utf8"));
  const file = readdirSync(folder).find(entry => /^licen[cs]e/i.test(entry));
  return `${name} ${version} (${license})\n\n${readFileSync(`${folder}/${file}`, "utf8").trim()}\n`;
});
writeFileSync("dist/tus.LICENSES.txt", texts.join(`\n${"-".repeat(80)}\n\n`));
