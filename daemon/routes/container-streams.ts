import type { AttachOptions } from '../containers/attach.js';
import type { Container } from '../containers/container.js';
import type { Containers } from '../containers/index.js';
import { conflict, invalid } from '../errors.js';
import type { Call, Handlers } from '../http/call.js';
import { sendUntilGone } from '../http/send-until-gone.js';
import { parseTime } from '../http/time.js';
import type { ApiVersion } from '../http/version.js';

/** Logs, attach and resize of containers. */
export function containerStreamRoutes(containers: Containers): Handlers {
  const { registry, attachments, logs } = containers;

  const attach = async (container: Container, options: AttachOptions, hijack: Call['hijack']): Promise<void> => {
    attachments.validate(container, options);
    await attachments.attach(container, options, hijack({ multiplexed: !container.config.Tty }));
  };

  return {
    async ContainerLogs({ params, query, stream, version, signal }) {
      const container = registry.get(params.id);
      logs.validate(container, query);
      const log = logs.read(container, {
        stdout: query.stdout,
        stderr: query.stderr,
        follow: query.follow,
        timestamps: query.timestamps,
        details: query.details,
        since: timeOf(query.since),
        until: timeOf(query.until),
        tail: tailOf(query.tail),
      });
      const terminal = container.config.Tty ?? false;
      await sendUntilGone(log, stream(streamType(terminal, version)), signal);
    },

    async ContainerAttach({ params, query, hijack }) {
      await attach(registry.get(params.id), { ...query, multiplexed: true }, hijack);
    },

    // A websocket has frames of its own, and Docker sends bare output in them.
    async ContainerAttachWebsocket({ params, query, hijack }) {
      await attach(registry.get(params.id), { ...query, multiplexed: false }, hijack);
    },

    async ContainerResize({ params, query }) {
      const container = registry.get(params.id);
      const size = terminalSize(query.w, query.h);
      if (!container.running) throw conflict(`container ${container.id} is not running`);
      if (container.config.Tty) await container.shim?.resize(size);
    },
  };
}

/** The media type of a log. The multiplexed one has had a name of its own since API 1.42. */
function streamType(terminal: boolean, version: ApiVersion): string {
  const raw = terminal || !version.atLeast('1.42');
  return `application/vnd.docker.${raw ? 'raw' : 'multiplexed'}-stream`;
}

/** @throws GantryError invalid for a size that no terminal has */
export function terminalSize(width: number | undefined, height: number | undefined): { width: number; height: number } {
  for (const [name, value] of [
    ['h', height],
    ['w', width],
  ] as const) {
    if (value === undefined || value < 0 || value > 65_535) {
      throw invalid(`invalid resize ${name === 'h' ? 'height' : 'width'} '${name}': ${value ?? 'it is missing'}`);
    }
  }
  return { width: width!, height: height! };
}

function timeOf(text: string | undefined): bigint | undefined {
  return text === undefined || text === '' || text === '0' ? undefined : parseTime(text).nanoseconds;
}

function tailOf(text: string | undefined): number | undefined {
  if (!text || text === 'all') return undefined;
  const lines = Number(text);
  // Docker takes what is not a number, or a negative one, for "all".
  return Number.isInteger(lines) && lines >= 0 ? lines : undefined;
}
