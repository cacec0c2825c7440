/*
 * Compare src/schemaDefaults.ts with Ajv, which JupyterLab uses: whatever it understands comes out the same.
 */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";

const Ajv = createRequire(`${process.cwd()}/`)("ajv").default;
const source = readFileSync("lib/schemaDefaults.js", "utf8");
const { schemaDefaults } = await import(`data:text/javascript,${encodeURIComponent(source)}`);

const size = { type: "object", properties: { width: { default: 3 }, unit: { type: "string", default: "px" } } };
const nested = { type: "object", default: { width: 1 }, properties: size.properties };
const UNDERSTOOD = {
  nothing: {},
  values: {
    properties: { a: { default: 1 }, b: { default: null }, c: { default: [1] }, d: {}, e: { default: false } },
  },
  "an object without a default": { properties: { a: size } },
  "objects in an object": { properties: { a: nested, b: { type: "object", default: {}, properties: { c: nested } } } },
  "a reference": { properties: { a: { $ref: "#/definitions/size", default: {} } }, definitions: { size } },
  "a reference of $defs": { properties: { a: { $ref: "#/$defs/size", default: { unit: "em" } } }, $defs: { size } },
  items: { properties: { a: { type: "array", default: [{}, { width: 4 }], items: size } } },
  "items by reference": {
    properties: { a: { type: "array", default: [{}], items: { $ref: "#/definitions/size" } } },
    definitions: { size },
  },
  "other properties": { properties: { a: { default: { x: {} }, additionalProperties: size } } },
  "no other properties": {
    properties: { a: { default: { x: {} }, additionalProperties: true } },
    additionalProperties: false,
  },
  "alternatives, whose defaults count for nothing": {
    properties: { a: { default: {}, anyOf: [size], oneOf: [size] } },
  },
};
const LEFT_TO_AJV = {
  "no object": { type: "array" },
  "what is required": { required: ["a"] },
  "all of several": { properties: { a: { default: {}, allOf: [size] } } },
  conditions: { properties: { a: { default: {}, if: size, then: size } } },
  patterns: { properties: { a: { default: { x: {} }, patternProperties: { x: size } } } },
  "a tuple": { properties: { a: { default: [{}], items: [size] } } },
  "a reference elsewhere": { properties: { a: { default: {}, $ref: "https://example.org/schema" } } },
  "a circle": {
    properties: { a: { default: {}, $ref: "#/definitions/a" } },
    definitions: { a: { $ref: "#/definitions/a" } },
  },
};
for (const [name, part] of Object.entries(UNDERSTOOD)) {
  const schema = { type: "object", ...part };
  const expected = {};
  assert(new Ajv({ useDefaults: true, strict: false }).compile(schema)(expected), name);
  const before = JSON.stringify(schema);
  assert.deepEqual(schemaDefaults(schema), expected, name);
  assert.equal(JSON.stringify(schema), before, name);
}
for (const [name, part] of Object.entries(LEFT_TO_AJV)) {
  assert.equal(schemaDefaults({ type: "object", ...part }), null, name);
}
