import type { Location } from '../dockerfile/dockerfile-error.js';
import { GantryError, type ErrorKind } from '../errors.js';

/** An instruction that could not be carried out. The message names the file and the line, and shows the line. */
export class BuildError extends GantryError {
  constructor(
    kind: ErrorKind,
    readonly reason: string,
    readonly file: string,
    readonly location: Location,
    options?: ErrorOptions,
  ) {
    super(kind, `${reason}\n  ${file}:${location.line} | ${location.text.split('\n', 1)[0] ?? ''}`, options);
    this.name = 'BuildError';
  }
}

/** A command of a RUN that ended with something else than 0. */
export class CommandFailed extends GantryError {
  constructor(
    readonly command: readonly string[],
    readonly exitCode: number,
    outOfMemory: boolean,
  ) {
    super(
      'invalid',
      `process "${command.join(' ')}" did not complete successfully: ` +
        (outOfMemory ? `cannot allocate memory (exit code: ${exitCode})` : `exit code: ${exitCode}`),
    );
    this.name = 'CommandFailed';
  }
}

/** Puts the place in the Dockerfile to whatever went wrong there. */
export function inPlace(error: unknown, file: string, location: Location): unknown {
  if (error instanceof BuildError || (error as Error).name === 'AbortError') return error;
  if (!(error instanceof Error)) return error;
  const kind = error instanceof GantryError ? error.kind : 'internal';
  return new BuildError(kind, error.message, file, location, { cause: error });
}
