import { rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { readInvocation } from './config/invocation.js';
import type { Config } from './config/options.js';
import { createEngine, startEngine } from './engine.js';
import { createServer } from './http/server.js';
import { listenOnAll } from './listeners.js';
import { createLogger } from './log.js';
import { handlers } from './routes/index.js';
import { addon } from './runtime/index.js';
import { openDatabase } from './store/database.js';
import { lockDataRoot } from './data-root-lock.js';
import { engineVersion } from './version.js';

const invocation = readInvocation(process.argv.slice(2), engineVersion);
if (invocation.kind === 'exit') {
  process.stdout.write(invocation.stdout);
  process.stderr.write(invocation.stderr);
  process.exit(invocation.exitCode);
}

const { config, warnings } = invocation;
const logger = createLogger(config);
for (const warning of warnings) logger.warn(warning);

process.on('uncaughtException', (error) => fail('unexpected error', error));
process.on('unhandledRejection', (reason) => logger.error({ err: reason }, 'a failure that nobody handled'));

try {
  await run(config);
} catch (error) {
  fail('failed to start daemon', error);
}

async function run(config: Config): Promise<void> {
  const lock = lockDataRoot(config.dataRoot);
  const database = openDatabase(join(config.dataRoot, 'gantry.db'));
  const dynamicModifications = config.cgroupFavorDynMods ? addon.holdFavorDynMods() : -1;
  const engine = createEngine(config, addon, database, logger);
  await startEngine(engine);

  const server = await createServer({ logger, engineVersion, handlers: handlers(engine) });
  const sockets = await listenOnAll(server, config, addon.listenDescriptors());
  writeFileSync(config.pidfile, `${process.pid}\n`);
  logger.info({ hosts: sockets, dataRoot: config.dataRoot }, 'API listening');

  const stop = async (signal: string): Promise<void> => {
    logger.info({ signal }, 'stopping; containers run on');
    await server.close();
    await engine.registries.close();
    database.close();
    lock.close();
    if (dynamicModifications >= 0) addon.closeDescriptor(dynamicModifications);
    rmSync(config.pidfile, { force: true });
    process.exit(0);
  };
  process.once('SIGTERM', (signal) => void stop(signal));
  process.once('SIGINT', (signal) => void stop(signal));
  process.on('SIGHUP', () => reload(config, engine.events));
}

/** What can change while the daemon runs takes effect in the objects that hold the configuration. */
function reload(running: Config, events: { publish(event: object): void }): void {
  if (invocation.kind !== 'run') return;
  try {
    const { config: fresh, changed, needRestart, warnings: fileWarnings } = invocation.reload(running);
    Object.assign(running, fresh);
    logger.level = running.logLevel;
    for (const warning of fileWarnings) logger.warn(warning);
    if (needRestart.length > 0) logger.warn({ keys: needRestart }, 'changed in daemon.json, but needs a restart');
    logger.info({ keys: changed }, 'configuration reloaded');
    events.publish({ type: 'daemon', action: 'reload', actorId: '', attributes: {} });
  } catch (error) {
    logger.error({ err: error }, 'configuration not reloaded; the old one stays in force');
  }
}

function fail(message: string, error: unknown): never {
  logger.fatal({ err: error }, message);
  process.exit(1);
}
