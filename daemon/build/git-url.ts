import { invalid } from '../errors.js';

/** A repository, and what of it is meant. */
export interface GitSource {
  /** What git is given. */
  remote: string;
  /** Branch, tag or commit; "" for the default branch. */
  reference: string;
  /** Path below the top; "" for all. */
  subdirectory: string;
}

/** Whether a URL means a git repository: by its scheme, or a path that ends in ".git". */
export function isGitUrl(url: string): boolean {
  if (/^(?:git|ssh):\/\//.test(url) || /^[\w.-]+@[\w.-]+:/.test(url)) return true;
  if (/^github\.com\//.test(url)) return true;
  return /^https?:\/\/[^?#]+\.git(?:[#?]|$)/.test(url);
}

/**
 * "https://host/a.git#branch:directory", "git@host:a.git", "github.com/a/b".
 *
 * @throws GantryError invalid for what git could take for an option, or for more than a repository
 */
export function parseGitUrl(url: string): GitSource {
  const [location = '', fragment = ''] = url.split('#', 2);
  const remote = location.startsWith('github.com/') ? `https://${location}` : location;
  const [reference = '', subdirectory = ''] = fragment.split(':', 2);
  for (const text of [remote, reference]) {
    if (text.startsWith('-') || /[\s\0]/.test(text)) throw invalid(`invalid git URL: ${url}`);
  }
  if (!/^(?:https?|git|ssh):\/\//.test(remote) && !/^[\w.-]+@[\w.-]+:/.test(remote)) {
    throw invalid(`invalid git URL: ${url}: use https, http, ssh or git`);
  }
  return { remote, reference, subdirectory };
}
