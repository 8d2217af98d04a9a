// Derives from api-spec/openapi.yaml what the daemon is compiled with, into daemon/generated/:
//   api.d.ts       types of the schemas and operations. Null is left out: the request decoder turns it into absence
//   operations.ts  the routing table: method, path, query parameters and the shape of the body of every operation
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import openapiTS, { astToString } from 'openapi-typescript';
import { parse } from 'yaml';
import { bodyShape, collectShapes } from './request-shapes.mjs';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const output = join(root, 'daemon', 'generated');
const document = parse(readFileSync(join(root, 'api-spec', 'openapi.yaml'), 'utf8'));

const METHODS = ['get', 'head', 'post', 'put', 'delete'];
const BANNER = '// Generated from api-spec/openapi.yaml by scripts/generate-api-types.mjs. Do not edit.\n';

function* operations() {
  for (const [path, item] of Object.entries(document.paths)) {
    for (const method of METHODS) {
      if (item[method]) yield { path, method, operation: item[method] };
    }
  }
}

/** The status of success: 101 is what a hijacked connection answers, so any other comes first. */
function successStatus(operation) {
  const statuses = Object.keys(operation.responses).map(Number);
  return statuses.find((status) => status >= 200 && status < 300) ?? statuses.find((status) => status < 400);
}

function bodyPlan(operation) {
  const content = operation.requestBody?.content;
  if (!content) return { kind: 'none' };
  if (!content['application/json']) return { kind: 'stream' };
  const shape = bodyShape(content['application/json'].schema, document);
  return { kind: 'json', required: operation.requestBody.required === true, shape };
}

function queryPlan(operation) {
  return (operation.parameters ?? [])
    .filter((parameter) => parameter.in === 'query')
    .map(({ name, schema }) => ({
      name,
      kind: name === 'filters' ? 'filters' : schema.type,
      ...(schema.default !== undefined && { default: schema.default }),
    }));
}

function pathNames(path) {
  return [...path.matchAll(/\{(\w+)\}/g)].map((match) => match[1]);
}

function queryType({ name, kind, default: fallback }) {
  const types = { boolean: 'boolean', integer: 'number', string: 'string', array: 'string[]', filters: 'Filters' };
  const always = fallback !== undefined || ['boolean', 'array', 'filters'].includes(kind);
  return `${JSON.stringify(name)}${always ? '' : '?'}: ${types[kind]}`;
}

function bodyType(operation, plan) {
  if (plan.kind === 'none') return 'undefined';
  if (plan.kind === 'stream') return 'Readable';
  return `NonNullable<operations['${operation.operationId}']['requestBody']>['content']['application/json']`;
}

function writeOperations() {
  const plans = {};
  const types = [];
  for (const { path, method, operation } of operations()) {
    const query = queryPlan(operation);
    const body = bodyPlan(operation);
    plans[operation.operationId] = {
      method: method.toUpperCase(),
      path,
      status: successStatus(operation),
      query,
      body,
    };
    const params = pathNames(path).map((name) => `${name}: string`);
    types.push(
      `  ${operation.operationId}: {\n    params: { ${params.join('; ')} };\n` +
        `    query: { ${query.map(queryType).join('; ')} };\n    body: ${bodyType(operation, body)};\n  };`,
    );
  }
  const text = JSON.stringify({ operations: plans, shapes: collectShapes() });
  writeFileSync(
    join(output, 'operations.ts'),
    `${BANNER}import type { Readable } from 'node:stream';
import type { Filters } from '../http/filters.js';
import type { OperationPlan, Shape } from '../http/plan.js';
import type { operations } from './api.js';

/** What a handler of each operation is given. */
export interface Requests {
${types.join('\n')}
}

const document = JSON.parse(${quote(text)}) as {
  operations: Record<keyof Requests, OperationPlan>;
  shapes: Record<string, Shape>;
};

export const plans = document.operations;
export const shapes = document.shapes;
`,
  );
}

/** A single-quoted literal: shorter than JSON within double quotes. */
function quote(text) {
  return `'${text.replaceAll('\\', '\\\\').replaceAll("'", "\\'")}'`;
}

function withoutNull(value) {
  if (Array.isArray(value)) return value.map(withoutNull);
  if (value === null || typeof value !== 'object') return value;
  const result = {};
  for (const [key, member] of Object.entries(value)) result[key] = withoutNull(member);
  if (Array.isArray(result.type)) result.type = result.type.find((type) => type !== 'null');
  if (Array.isArray(result.enum)) result.enum = result.enum.filter((member) => member !== null);
  if (Array.isArray(result.oneOf)) {
    const alternatives = result.oneOf.filter((alternative) => alternative.type !== 'null');
    if (alternatives.length === 1) return alternatives[0];
    result.oneOf = alternatives;
  }
  return result;
}

async function writeTypes() {
  const ast = await openapiTS(withoutNull(structuredClone(document)), {
    defaultNonNullable: false,
    emptyObjectsUnknown: true,
  });
  writeFileSync(join(output, 'api.d.ts'), BANNER + astToString(ast));
}

mkdirSync(output, { recursive: true });
writeOperations();
await writeTypes();
