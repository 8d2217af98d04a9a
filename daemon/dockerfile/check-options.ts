import { invalid } from '../errors.js';
import { experimental } from './check-rules.js';

/** `# check=skip=…;error=true;experimental=…` */
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
  const lists = { skip: new Set<string>(), experimental: new Set<string>() };
  let isError = false;
  for (const option of text.split(';').filter((each) => each.trim() !== '')) {
    const [, name = option.trim(), value = ''] = /^\s*(\w+)\s*=\s*(.*?)\s*$/.exec(option) ?? [];
    if (name === 'skip' || name === 'experimental') {
      for (const rule of value.split(',')) lists[name].add(rule.trim());
    } else if (name === 'error') isError = parseBoolean(value);
    else throw invalid(`failed to parse check options: invalid check option "${name}"`);
  }
  const has = (list: ReadonlySet<string>, rule: string): boolean => list.has('all') || list.has(rule);
  // What is asked for by an experiment's name is not skipped with the rest.
  const skips = (rule: string): boolean =>
    experimental.has(rule) ? !has(lists.experimental, rule) : has(lists.skip, rule);
  return { isError, skips };
}

function parseBoolean(value: string): boolean {
  if (/^(?:true|1|t)$/i.test(value)) return true;
  if (/^(?:false|0|f)$/i.test(value)) return false;
  throw invalid(`failed to parse check options: error is to be true or false, not "${value}"`);
}
