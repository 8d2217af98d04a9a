import { readFileSync } from 'node:fs';
import { join } from 'node:path';

/** The version of Gantry, from package.json. This module runs from build/daemon. */
export const engineVersion = (
  JSON.parse(readFileSync(join(import.meta.dirname, '..', '..', 'package.json'), 'utf8')) as { version: string }
).version;
