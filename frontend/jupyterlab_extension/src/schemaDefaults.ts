/** A JSON schema, as far as it is understood here. */
export type Schema = { readonly [keyword: string]: unknown };

/** Keywords by which a schema adds defaults in ways that are left to a validator. */
const NOT_UNDERSTOOD = [
  "$dynamicRef",
  "$recursiveRef",
  "additionalItems",
  "allOf",
  "contains",
  "dependencies",
  "dependentSchemas",
  "else",
  "patternProperties",
  "prefixItems",
  "then",
  "unevaluatedItems",
  "unevaluatedProperties",
];
const MOST_LEVELS = 20;

/**
 * What Ajv with `useDefaults` makes of an empty object: the defaults of its properties, and theirs within; null where the
 * schema says more than is understood here.
 *
 * Nothing is validated, and no validator compiled, which takes a browser longer than all else about a setting. As Ajv, it
 * takes no default from within anyOf, oneOf, not and if.
 */
export function schemaDefaults(schema: Schema): Record<string, unknown> | null {
  const value: Record<string, unknown> = {};
  return schema.type === "object" && !schema.required && fill(schema, value, schema, 0) ? value : null;
}

/** Adds what is missing in a value; false where the schema is not understood. */
function fill(schema: unknown, value: unknown, root: Schema, level: number): boolean {
  if (!isObject(schema) || value === null || typeof value !== "object") {
    return true;
  }
  if (level > MOST_LEVELS || NOT_UNDERSTOOD.some(keyword => keyword in schema)) {
    return false;
  }
  if ("$ref" in schema) {
    const named = resolve(schema.$ref, root);
    if (!named || !fill(named, value, root, level + 1)) {
      return false;
    }
  }
  return Array.isArray(value)
    ? !Array.isArray(schema.items) && value.every(item => fill(schema.items, item, root, level + 1))
    : fillProperties(schema, value as Record<string, unknown>, root, level);
}

function fillProperties(schema: Schema, value: Record<string, unknown>, root: Schema, level: number): boolean {
  const properties = isObject(schema.properties) ? schema.properties : {};
  for (const [name, property] of Object.entries(properties)) {
    if (value[name] === undefined && isObject(property) && property.default !== undefined) {
      value[name] = JSON.parse(JSON.stringify(property.default));
    }
  }
  return Object.entries(value).every(([name, item]) =>
    fill(name in properties ? properties[name] : schema.additionalProperties, item, root, level + 1),
  );
}

/** The part of a schema that a reference such as `#/definitions/name` leads to. */
function resolve(reference: unknown, root: Schema): Schema | null {
  const [, group, name] = `${reference}`.match(/^#\/(definitions|\$defs)\/([\w-]+)$/) ?? [];
  const found = group && (root[group] as Schema | undefined)?.[name];
  return isObject(found) ? found : null;
}

function isObject(value: unknown): value is Schema {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
