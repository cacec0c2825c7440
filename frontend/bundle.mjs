/* Bundle index.js of the folder that it is called in into dist/NAME.js, with the licences of all that is in it beside it. */
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";

const { build } = createRequire(`${process.cwd()}/`)("esbuild");
const [name] = process.argv.slice(2);

const { metafile } = await build({
  entryPoints: ["index.js"],
  outfile: `dist/${name}.js`,
  bundle: true,
  minify: true,
  format: "iife",
  globalName: name,
  target: "es2020",
  banner: { js: `/* Built by bin/build-frontend; the licences are in ${name}.LICENSES.txt. */` },
  metafile: true,
});

/* "../node_modules/@a/b/lib/c.js" → "../node_modules/@a/b" */
const folderOf = path => /^.*node_modules\/(?:@[^/]+\/)?[^/]+/.exec(path)?.[0];

const folders = new Set(Object.keys(metafile.inputs).map(folderOf).filter(Boolean));
const texts = [...folders].sort().map(folder => {
  const { name, version, license } = JSON.parse(readFileSync(`${folder}/package.json`, "utf8"));
  const file = readdirSync(folder).find(entry => /^licen[cs]e/i.test(entry));
  const text = file ? readFileSync(`${folder}/${file}`, "utf8").trim() : "";
  return `${name} ${version} (${license})\n\n${text}\n`;
});
writeFileSync(`dist/${name}.LICENSES.txt`, texts.join(`\n${"-".repeat(80)}\n\n`));
