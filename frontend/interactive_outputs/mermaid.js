/* Mermaid in its small edition: without mind maps, architecture diagrams and formulas.
   It looks for a variable of its own among the global ones, which those of a bundle are not: see package.json. */
import "@mermaid-js/tiny/dist/mermaid.tiny.js";
export default window.mermaid;
