import { posix } from 'node:path';

/** Whether ADD has to fetch it from somewhere. */
export const isRemote = (source: string): boolean =>
  /^https?:\/\//i.test(source) || /^(?:git@[\w.-]+:|git:\/\/|ssh:\/\/)/.test(source);

export const hasWildcards = (source: string): boolean => /[*?[\\]/.test(source);

/** A source as a path from the top of its root: ".." stops there. The pivot of --parents ("./") means nothing. */
export function copySource(source: string): string {
  return posix.normalize(posix.join('/', source)).replace(/^\/+/, '').replace(/\/+$/, '');
}

/** Where to copy to, absolute; a slash at the end says that it is a directory. */
export function copyDestination(workingDirectory: string, destination: string): string {
  const isDirectory = /(?:^|\/)\.?\/?$/.test(destination);
  const path = posix.resolve('/', workingDirectory, destination);
  return isDirectory && path !== '/' ? `${path}/` : path;
}

/**
 * Where --parents puts a path: below the destination with the directories it is in, from `./` in the source on where that has
 * one.
 */
export function parentsTarget(destination: string, path: string, source: string): string {
  const pivot = /^(.*?)\/\.\//.exec(source)?.[1];
  const kept = pivot === undefined ? path : posix.relative(copySource(pivot), path);
  return posix.join(destination, kept);
}
