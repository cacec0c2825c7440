/* Bundle ENTRY (index.js) of the folder that it is called in into dist/NAME.js, with the licences of all that is in it
   beside it: node bundle.mjs NAME [ENTRY [OPTIONS]]. Options are esbuild's, in JSON, and `without`: a regular expression
   for names of modules that are left out; importing one is an error, which who imports it when needed takes. */
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";

const { build } = createRequire(`${process.cwd()}/`)("esbuild");
const [name, entry = "index.js", given = "{}"] = process.argv.slice(2);
const { without, ...options } = JSON.parse(given);

const absent = "throw Object.assign(new Error('left out'), { code: 'MODULE_NOT_FOUND' });";
const leftOut = {
  name: "left-out",
  setup({ onResolve, onLoad }) {
    onResolve({ filter: new RegExp(without) }, ({ path }) => ({ path, namespace: "left-out" }));
    onLoad({ filter: /./, namespace: "left-out" }, () => ({ contents: absent }));
  },
};

const { metafile } = await build({
  entryPoints: [entry],
  outfile: `dist/${name}.js`,
  bundle: true,
  minify: true,
  format: "iife",
  globalName: name,
  target: "es2020",
  banner: { js: `/* Built by bin/build-frontend; the licences are in ${name}.LICENSES.txt. */` },
  metafile: true,
  plugins: without ? [leftOut] : [],
  ...options,
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
