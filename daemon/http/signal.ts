import type { FastifyReply, FastifyRequest } from 'fastify';
import { takenOverConnection } from './upgrade.js';

/** Aborted when the client goes before its answer is complete, or when the server closes. */
export function clientSignal(request: FastifyRequest, reply: FastifyReply, closing: AbortSignal): AbortSignal {
  const gone = new AbortController();
  const response = reply.raw;
  const connection = takenOverConnection(request.raw)?.socket ?? response;
  const onClose = (): void => {
    closing.removeEventListener('abort', onClosing);
    if (connection !== response || !response.writableFinished) gone.abort();
  };
  const onClosing = (): void => gone.abort(closing.reason);
  closing.addEventListener('abort', onClosing, { once: true });
  if (closing.aborted) onClosing();
  if (connection.destroyed) onClose();
  else connection.once('close', onClose);
  return gone.signal;
}
