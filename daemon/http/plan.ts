/** The JSON types of a request body, reduced from the schemas of the API document. `decode.ts` explains their use. */
export type Shape =
  | { kind: 'any' | 'string' | 'boolean' | 'number' }
  | { kind: 'integer'; type: string; minimum: number; maximum: number }
  /** A list of strings, for which a single string may stand. */
  | { kind: 'strings' }
  | { kind: 'array' | 'map'; of: Shape }
  | { kind: 'object'; members: Record<string, Shape> }
  | { kind: 'ref'; name: string };

export interface QueryParameter {
  name: string;
  kind: 'boolean' | 'integer' | 'string' | 'array' | 'filters';
  default?: boolean | number | string;
}

export type BodyPlan = { kind: 'none' } | { kind: 'stream' } | { kind: 'json'; required: boolean; shape: Shape };

/** What the server knows about one operation of the API document. */
export interface OperationPlan {
  method: 'GET' | 'HEAD' | 'POST' | 'PUT' | 'DELETE';
  /** With parameters in braces, without a version. */
  path: string;
  /** The status of success. */
  status: number;
  query: QueryParameter[];
  body: BodyPlan;
}
