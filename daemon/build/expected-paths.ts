import { copySource, isRemote } from './copy-paths.js';
import type { BuildPlan } from './plan.js';

/** What a build is going to read of its main context, as far as the Dockerfile alone tells. */
export function expectedPaths({ stages }: Pick<BuildPlan, 'stages'>): string[] {
  const paths = stages
    .flatMap(({ instructions }) => instructions)
    .flatMap((instruction) => {
      if (instruction.keyword === 'COPY') return instruction.from === undefined ? instruction.sources : [];
      if (instruction.keyword === 'ADD') return instruction.sources.filter((source) => !isRemote(source));
      if (instruction.keyword !== 'RUN') return [];
      return instruction.mounts
        .filter(({ type, from }) => type === 'bind' && from === '')
        .map(({ source }) => source || '.');
    });
  const literal = paths.filter((path) => !path.includes('$')).map((path) => copySource(path) || '.');
  return [...new Set(literal)];
}
