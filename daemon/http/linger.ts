import type { IncomingMessage } from 'node:http';

/** How long a client gets to notice the answer; what dockerd's HTTP server gives it, too. */
const LINGER_MS = 500;

/**
 * For an answer that is given before the request body has arrived: closing a socket with unread data on it makes the
 * client's next write fail, and most clients then never look at the answer. So the rest is received and dropped until the
 * client has closed its side, but not for long.
 */
export function lingerAfterAnswer(request: IncomingMessage): void {
  const { socket } = request;
  // What http calls once the answer to a "Connection: close" has been written.
  socket.destroySoon = () => {
    socket.end();
    const timer = setTimeout(() => socket.destroy(), LINGER_MS);
    socket.once('end', () => socket.destroy()).once('close', () => clearTimeout(timer));
  };
  request.resume();
}
