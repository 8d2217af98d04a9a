import type { components } from './generated/api.js';

/** The schemas of api-spec/openapi.yaml, as types. */
export type Schemas = components['schemas'];
