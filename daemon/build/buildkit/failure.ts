import { Metadata, type ServiceError } from '@grpc/grpc-js';
import type { Location } from '../../dockerfile/dockerfile-error.js';
import { DockerfileError } from '../../dockerfile/dockerfile-error.js';
import { GantryError, type ErrorKind } from '../../errors.js';
import type { Status__Output } from '../../generated/rpc/google/rpc/Status.js';
import { BuildError, CommandFailed } from '../build-error.js';
import { statusMessage } from './protocol.js';
import { code, RpcError } from './rpc-error.js';

/** A Dockerfile as the client is shown it beside an error. */
export interface ShownSource {
  filename: string;
  text: string;
}

/** A failure that the client knows the place of. */
export class LocatedFailure extends Error {
  constructor(
    readonly failure: unknown,
    readonly source: ShownSource,
    readonly lines: { first: number; last: number } | undefined,
  ) {
    super(reasonOf(failure), { cause: failure });
    this.name = 'LocatedFailure';
  }
}

/** A failure that the client itself has told, details and all. */
export class ReturnedFailure extends Error {
  constructor(readonly status: Status__Output) {
    super(status.message);
    this.name = 'ReturnedFailure';
  }
}

/** Puts the Dockerfile to whatever went wrong in it. */
export function located(error: unknown, source: ShownSource): unknown {
  if (!(error instanceof DockerfileError || error instanceof BuildError)) return error;
  return new LocatedFailure(error, source, linesOf(error.location));
}

const linesOf = ({ line, lastLine }: Location): { first: number; last: number } => ({ first: line, last: lastLine });

/** Without the excerpt of the Dockerfile, which clients of BuildKit draw themselves. */
export function reasonOf(error: unknown): string {
  if (error instanceof DockerfileError) return `dockerfile parse error on line ${error.location.line}: ${error.reason}`;
  if (error instanceof BuildError) return error.reason;
  return error instanceof Error ? error.message : String(error);
}

/** How a call tells its failure. */
export function serviceError(error: unknown): ServiceError {
  const status = error instanceof ReturnedFailure ? error.status : statusOf(error);
  const metadata = new Metadata();
  if (status.details.length > 0) metadata.set('grpc-status-details-bin', statusMessage.serialize(status));
  return Object.assign(new Error(status.message), { code: status.code, details: status.message, metadata });
}

/** A failure with its details, for later; undefined for one that has none. */
export function failureDetails(error: unknown): Buffer | undefined {
  const status = error instanceof ReturnedFailure ? error.status : statusOf(error);
  return status.details.length === 0 ? undefined : Buffer.from(statusMessage.serialize(status));
}

function statusOf(error: unknown): Status__Output {
  return { code: codeOf(error), message: reasonOf(error), details: detailsOf(error) };
}

const codes: Partial<Record<ErrorKind, number>> = {
  invalid: code.invalidArgument,
  unauthorized: code.unauthenticated,
  forbidden: code.permissionDenied,
  'not-found': code.notFound,
  conflict: code.failedPrecondition,
  unavailable: code.unavailable,
  unsupported: code.unimplemented,
};

function codeOf(error: unknown): number {
  if (error instanceof LocatedFailure) return code.unknown;
  if ((error as Error).name === 'AbortError') return code.cancelled;
  if (error instanceof RpcError) return error.code;
  // Of what went wrong in a build, as BuildKit has it; the message tells.
  if (error instanceof GantryError) return codes[error.kind] ?? code.unknown;
  return code.unknown;
}

type Detail = Status__Output['details'][number];

function detailsOf(error: unknown): Detail[] {
  const details: Detail[] = [];
  if (error instanceof LocatedFailure) {
    const { source, lines } = error;
    details.push(
      detail('errdefs.Source', {
        info: { filename: source.filename, data: Buffer.from(source.text).toString('base64'), language: 'Dockerfile' },
        ranges: lines ? [{ start: { line: lines.first }, end: { line: lines.last } }] : [],
      }),
    );
  }
  const command = commandFailure(error);
  if (command) details.push(detail('gatewayapi.ExitMessage', { Code: command.exitCode }));
  return details;
}

function commandFailure(error: unknown): CommandFailed | undefined {
  for (let cause: unknown = error; cause instanceof Error; cause = cause.cause) {
    if (cause instanceof CommandFailed) return cause;
  }
  return undefined;
}

function detail(type: string, value: object): Detail {
  return { type_url: `github.com/moby/buildkit/${type}+json`, value: Buffer.from(JSON.stringify(value)) };
}
