// Reduces the schemas of request bodies to what daemon/http/decode.ts needs: the JSON types, and nothing else.
// Limits, enumerations and required members are left to the nouns, which know Docker's wording for them.

const RANGES = {
  int64: [-(2 ** 63), 2 ** 63],
  int32: [-(2 ** 31), 2 ** 31 - 1],
  uint64: [0, 2 ** 64],
  uint32: [0, 2 ** 32 - 1],
  uint16: [0, 2 ** 16 - 1],
  uint8: [0, 255],
};

const shapes = {};

/** The named shapes that the shapes returned by `bodyShape` refer to. */
export function collectShapes() {
  return shapes;
}

export function bodyShape(schema, document) {
  return shapeOf(schema, document);
}

function shapeOf(schema, document) {
  if (schema.$ref) return reference(schema.$ref, document);
  if (schema.oneOf) {
    const alternatives = schema.oneOf.filter((alternative) => alternative.type !== 'null');
    if (alternatives.length !== 1) return { kind: 'any' };
    return shapeOf(alternatives[0], document);
  }
  if (schema.allOf) return flatten(schema.allOf, document);
  const type = Array.isArray(schema.type) ? schema.type.find((name) => name !== 'null') : schema.type;
  switch (type) {
    case 'string':
    case 'boolean':
    case 'number':
      return { kind: type };
    case 'integer':
      return integer(schema.format);
    case 'array':
      if (schema['x-decode'] === 'strings') return { kind: 'strings' };
      return { kind: 'array', of: schema.items ? shapeOf(schema.items, document) : { kind: 'any' } };
    case 'object':
      return objectShape(schema, document);
    default:
      return { kind: 'any' };
  }
}

function integer(format = 'int64') {
  const [minimum, maximum] = RANGES[format] ?? RANGES.int64;
  return { kind: 'integer', type: format in RANGES ? format : 'int64', minimum, maximum };
}

function objectShape(schema, document) {
  if (!schema.properties) {
    const values = schema.additionalProperties;
    return { kind: 'map', of: values && values !== true ? shapeOf(values, document) : { kind: 'any' } };
  }
  const members = {};
  for (const [name, member] of Object.entries(schema.properties)) members[name] = shapeOf(member, document);
  return { kind: 'object', members };
}

function reference(ref, document) {
  const name = ref.split('/').at(-1);
  if (!(name in shapes)) {
    shapes[name] = { kind: 'any' };
    shapes[name] = shapeOf(document.components.schemas[name], document);
  }
  return { kind: 'ref', name };
}

/** One object with the members of all parts. */
function flatten(parts, document) {
  const resolved = parts.map((part) => resolve(shapeOf(part, document)));
  if (resolved.length === 1) return resolved[0];
  return { kind: 'object', members: Object.assign({}, ...resolved.map((shape) => shape.members)) };
}

function resolve(shape) {
  return shape.kind === 'ref' ? resolve(shapes[shape.name]) : shape;
}
