import type { IncomingHttpHeaders } from 'node:http';
import type { Readable } from 'node:stream';
import type { Requests } from '../../generated/operations.js';
import type { ProgressMessage } from '../../http/progress.js';
import { toErrorResponse } from '../../http/errors.js';
import { shortId } from '../../images/digest.js';
import type { Content } from '../../images/content.js';
import { parseReference } from '../../images/reference.js';
import type { Build } from '../build-result.js';
import { BuildError, CommandFailed } from '../build-error.js';
import { ClassicOutput } from './classic-output.js';
import { classicRequest, refuseUnsupported } from './classic-request.js';
import { openClassicContext } from './classic-context.js';

/** A line of the stream: also the last one, when the build has failed. */
export type ClassicMessage = ProgressMessage & { error?: string; errorDetail?: { code?: number; message: string } };

export interface ClassicCall {
  query: Requests['ImageBuild']['query'];
  headers: IncomingHttpHeaders;
  body: Readable;
  signal: AbortSignal;
}

/**
 * POST /build: takes the context, builds, and tells of it. A failure before the first line is an error of the request.
 *
 * @throws GantryError
 */
export async function classicBuild(
  builder: Build,
  content: Content,
  { query, headers, body, signal }: ClassicCall,
  send: (message: ClassicMessage) => Promise<void>,
): Promise<void> {
  refuseUnsupported(query);
  for (const name of query.t ?? []) if (name !== '') parseReference(name);
  const context = await openClassicContext(
    content,
    { body, remote: query.remote ?? '', dockerfile: query.dockerfile, hidesIgnored: true },
    signal,
  );
  const output = new ClassicOutput(send, query.q);
  try {
    const request = classicRequest(query, headers, context, signal);
    const result = await builder.build(request, (event) => output.report(event));
    await output.finish();
    try {
      await send(query.q ? { stream: `${result.id}\n` } : { aux: { ID: result.id } });
      if (query.q) return;
      await send({ stream: `Successfully built ${shortId(result.id)}\n` });
      for (const name of result.names) await send({ stream: `Successfully tagged ${name}\n` });
    } finally {
      await result.release();
    }
  } catch (error) {
    await output.finish();
    throw inClassicWords(error);
  } finally {
    await context.discard();
  }
}

/** The last line of a build that has failed. */
export function failureMessage(error: unknown): ClassicMessage {
  const { message } = toErrorResponse(error);
  const command = commandOf(error);
  return { errorDetail: { ...(command && { code: command.exitCode }), message }, error: message };
}

function commandOf(error: unknown): CommandFailed | undefined {
  if (error instanceof CommandFailed) return error;
  const cause = error instanceof Error ? error.cause : undefined;
  return cause === undefined ? undefined : commandOf(cause);
}

/** Clients of this API match on Docker's words. The place in the Dockerfile follows them. */
function inClassicWords(error: unknown): unknown {
  if (!(error instanceof BuildError)) return error;
  const { cause, location, file } = error;
  if (!(cause instanceof CommandFailed)) return error;
  const reason = `The command '${cause.command.join(' ')}' returned a non-zero code: ${cause.exitCode}`;
  return new BuildError('invalid', reason, file, location, { cause });
}
