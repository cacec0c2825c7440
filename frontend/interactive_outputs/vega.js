/* Vega and Vega-Lite, with the interpreter of expressions that needs no eval. */
export { loader } from "vega";
export { default as embed } from "vega-embed";
export { expressionInterpreter } from "vega-interpreter";
