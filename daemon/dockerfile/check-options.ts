import { invalid } from '../errors.js';

/** `# check=skip=…;error=true` */
export interface CheckOptions {
  skips: (rule: string) => boolean;
  /** What is found fails the build. */
  isError: boolean;
}

/**
 * Reads the value of the check directive, or of the build argument BUILDKIT_DOCKERFILE_CHECK.
 *
 * @see https://docs.docker.com/reference/dockerfile/#check
 * @throws GantryError invalid
 */
export function parseCheckOptions(text: string): CheckOptions {
  const skipped = new Set<string>();
  let isError = false;
  for (const option of text.split(';').filter((each) => each.trim() !== '')) {
    const [, name = '', value = ''] = /^\s*(\w+)\s*=\s*(.*?)\s*$/.exec(option) ?? [];
    if (name === 'skip') for (const rule of value.split(',')) skipped.add(rule.trim().toLowerCase());
    else if (name === 'error' && /^(?:true|false|1|0)$/i.test(value)) isError = /^(?:true|1)$/i.test(value);
    // Every check that there is here is always on.
    else if (name !== 'experimental')
      throw invalid(`failed to parse check options: invalid check option "${option.trim()}"`);
  }
  return { isError, skips: (rule) => skipped.has('all') || skipped.has(rule.toLowerCase()) };
}
