// Serves /_ping on the descriptor that is named by its argument, and says so on its output.
import { pino } from 'pino';
import { listen } from '../../daemon/http/listen.js';
import { createServer } from '../../daemon/http/server.js';

const engine = await createServer({
  logger: pino({ level: 'silent' }),
  handlers: { SystemPing: () => 'OK' },
  engineVersion: '1.2.3',
});
await listen(engine, { kind: 'descriptor', fd: Number(process.argv[2]) });
process.stdout.write('listening\n');
