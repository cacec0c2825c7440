/* The language of a file, by the ending of its name. */
import { json, jsonLanguage } from "@codemirror/lang-json";
import { markdown, markdownLanguage } from "@codemirror/lang-markdown";
import { python, pythonLanguage } from "@codemirror/lang-python";
import { yaml, yamlLanguage } from "@codemirror/lang-yaml";
import { StreamLanguage } from "@codemirror/language";
import { julia } from "@codemirror/legacy-modes/mode/julia";
import { r } from "@codemirror/legacy-modes/mode/r";
import { shell } from "@codemirror/legacy-modes/mode/shell";
import { stex } from "@codemirror/legacy-modes/mode/stex";
import { toml } from "@codemirror/legacy-modes/mode/toml";

/* Of code within Markdown, by the word behind its fence. */
const FENCED = {
  python: pythonLanguage,
  py: pythonLanguage,
  json: jsonLanguage,
  yaml: yamlLanguage,
  yml: yamlLanguage,
};
const codeLanguages = word => FENCED[word.toLowerCase()] ?? null;

const LANGUAGES = [
  [/\.(md|markdown|mdown)$/i, () => markdown({ base: markdownLanguage, codeLanguages })],
  [/\.(py|pyi)$/i, python],
  [/\.(json|geojson|ipynb)$/i, json],
  [/\.ya?ml$/i, yaml],
  [/\.(r|rprofile)$/i, () => StreamLanguage.define(r)],
  [/\.jl$/i, () => StreamLanguage.define(julia)],
  [/\.(sh|bash|zsh)$/i, () => StreamLanguage.define(shell)],
  [/\.(tex|bib|sty)$/i, () => StreamLanguage.define(stex)],
  [/\.toml$/i, () => StreamLanguage.define(toml)],
];

export function languageOf(name) {
  const found = LANGUAGES.find(([ending]) => ending.test(name));
  return found ? found[1]() : [];
}
