import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Ajv2020, type ValidateFunction } from 'ajv/dist/2020.js';
import { parse } from 'yaml';

interface ApiDocument {
  paths: Record<string, Record<string, Operation>>;
  components: object;
}

interface Operation {
  operationId: string;
  responses: Record<string, { $ref?: string; content?: Record<string, { schema: object }> }>;
}

// Tests run from build/test/support.
const path = join(import.meta.dirname, '..', '..', '..', 'api-spec', 'openapi.yaml');
export const apiDocument = parse(readFileSync(path, 'utf8')) as ApiDocument;

const ajv = new Ajv2020({ strict: false, validateFormats: false, allErrors: true });
ajv.addSchema({ $id: 'api', components: apiDocument.components });
const validators = new Map<string, ValidateFunction>();

/** Holds a response against the API document. @returns what is wrong with it, nothing when it is as documented */
export function undocumented(operationId: string, status: number, body: unknown): string[] {
  const schema = responseSchema(operationId, status);
  if (typeof schema === 'string') return [schema];
  const key = `${operationId} ${status}`;
  const validate = validators.get(key) ?? ajv.compile(schema);
  validators.set(key, validate);
  if (validate(body)) return [];
  return (validate.errors ?? []).map(({ instancePath, message }) => `${key}: ${instancePath} ${message}`);
}

function responseSchema(operationId: string, status: number): object | string {
  const operations = Object.values(apiDocument.paths).flatMap((item) => Object.values(item));
  const operation = operations.find((candidate) => candidate.operationId === operationId);
  if (!operation) return `${operationId} is not documented`;
  const response = operation.responses[String(status)];
  if (!response) return `${operationId} does not document status ${status}`;
  if (response.$ref) return { $ref: 'api#/components/schemas/ErrorResponse' };
  const schema = response.content?.['application/json']?.schema;
  return schema ? (absolute(schema) as object) : {};
}

/** References are to the document, which has a name of its own here. */
function absolute(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(absolute);
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(
    Object.entries(value).map(([key, member]) =>
      key === '$ref' && typeof member === 'string' ? [key, `api${member}`] : [key, absolute(member)],
    ),
  );
}
