import type { FastifyReply } from 'fastify';

/** Sends a document as Docker does, with a newline. As a buffer: to the type of a string Fastify would add a charset. */
export function sendJson(reply: FastifyReply, document: unknown): FastifyReply {
  return reply.header('content-type', 'application/json').send(Buffer.from(`${JSON.stringify(document)}\n`));
}
