import { rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { readInvocation } from './config/invocation.js';
import { createEngine, type Engine, startEngine } from './engine.js';
import { createServer } from './http/server.js';
import { listenOnAll } from './listeners.js';
import { createLogger } from './log.js';
import { handlers } from './routes/index.js';
import { makeDirectories } from './make-directories.js';
import { addon } from './runtime/index.js';
import { openDatabase } from './store/database.js';
import { hostAccounts } from './userns/accounts.js';
import { mappedDataRoot, requireUserNamespaces } from './userns/data-root.js';
import { IdMapping } from './userns/id-mapping.js';
import { remapping } from './userns/remap.js';
import { lockDataRoot } from './data-root-lock.js';
import { engineVersion } from './version.js';

const invocation = readInvocation(process.argv.slice(2), engineVersion);
if (invocation.kind === 'exit') {
  process.stdout.write(invocation.stdout);
  process.stderr.write(invocation.stderr);
  process.exit(invocation.exitCode);
}

const { config: configured, warnings } = invocation;
const config = { ...configured };
const logger = createLogger(configured);
for (const warning of warnings) logger.warn(warning);

process.on('uncaughtException', (error) => fail('unexpected error', error));
process.on('unhandledRejection', (reason) => logger.error({ err: reason }, 'a failure that nobody handled'));

try {
  await run();
} catch (error) {
  fail('failed to start daemon', error);
}

async function run(): Promise<void> {
  const mapping = setUpMapping();
  const lock = lockDataRoot(config.dataRoot);
  const database = openDatabase(join(config.dataRoot, 'gantry.db'));
  const dynamicModifications = config.cgroupFavorDynMods ? addon.holdFavorDynMods() : -1;
  const engine = createEngine(config, mapping, addon, database, logger);
  await startEngine(engine, logger);

  const server = await createServer({ logger, engineVersion, handlers: handlers(engine) });
  const sockets = await listenOnAll(server, config, addon.listenDescriptors());
  makeDirectories(dirname(config.pidfile), 0o755);
  writeFileSync(config.pidfile, `${process.pid}\n`);
  logger.info({ hosts: sockets, dataRoot: config.dataRoot }, 'API listening');

  const stop = async (signal: string): Promise<void> => {
    logger.info({ signal }, 'stopping; containers run on');
    await engine.builder.close();
    await server.close();
    await leaveFirewall(engine);
    await engine.registries.close();
    database.close();
    lock.close();
    if (dynamicModifications >= 0) addon.closeDescriptor(dynamicModifications);
    rmSync(config.pidfile, { force: true });
    process.exit(0);
  };
  process.once('SIGTERM', (signal) => void stop(signal));
  process.once('SIGINT', (signal) => void stop(signal));
  process.on('SIGHUP', () => {
    reload(engine.events);
    // Whoever has set the host's firewall up anew can have us come back into it.
    engine.networks.firewall
      .admit()
      .catch((error: unknown) => logger.error({ err: error }, "cannot pass the host's FORWARD chain"));
  });
}

/** What stands in chains of others stays for as long as a container may need it. */
async function leaveFirewall({ containers, networks }: Engine): Promise<void> {
  if (containers.registry.all().some(({ running }) => running)) return;
  await networks.firewall
    .withdraw()
    .catch((error: unknown) => logger.error({ err: error }, 'a rule of ours remains in a chain of others'));
}

/** A daemon whose containers have other ids than the host works below a data root of its own. */
function setUpMapping(): IdMapping {
  const mapping = remapping(configured.usernsRemap, hostAccounts);
  if (!mapping) {
    if (configured.usernsRemap) logger.warn('userns-remap: root cannot be remapped to itself; user namespaces are off');
    config.usernsRemap = '';
    return IdMapping.identity;
  }
  requireUserNamespaces();
  config.dataRoot = mappedDataRoot(configured.dataRoot, mapping);
  return mapping;
}

/** What can change while the daemon runs takes effect in the objects that hold the configuration. */
function reload(events: { publish(event: object): void }): void {
  if (invocation.kind !== 'run') return;
  try {
    const { config: fresh, changed, needRestart, warnings: fileWarnings } = invocation.reload(configured);
    Object.assign(configured, fresh);
    // What was made of the configuration at the start holds on.
    Object.assign(config, fresh, { dataRoot: config.dataRoot, usernsRemap: config.usernsRemap });
    logger.level = config.logLevel;
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
