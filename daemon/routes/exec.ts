import type { Duplex } from 'node:stream';
import type { Containers } from '../containers/index.js';
import { parseDetachKeys } from '../containers/detach-keys.js';
import type { Exec } from '../containers/exec.js';
import { resolveUser } from '../containers/user-lookup.js';
import type { Handlers } from '../http/call.js';
import { terminalSize } from './container-streams.js';

/** The Exec tag of the API document. */
export function execRoutes({ addon, registry, execs }: Containers): Handlers {
  return {
    async ContainerExec({ params, body }) {
      const container = registry.get(params.id);
      if (body.User && container.running) {
        await resolveUser(addon, { kind: 'process', pid: container.state.pid }, body.User);
      }
      const exec = execs.create(container, body);
      return { Id: exec.id };
    },

    async ExecStart({ params, body, reply, hijack }) {
      const exec = execs.get(params.id);
      const detach = body?.Detach ?? false;
      execs.validateStart(exec);
      if (detach) {
        await execs.start(exec, { detach, consoleSize: body?.ConsoleSize });
        reply.code(200);
        return;
      }
      const terminal = exec.config.Tty ?? false;
      let stream: Duplex | undefined;
      try {
        stream = await execs.start(exec, { detach, consoleSize: body?.ConsoleSize });
      } catch (error) {
        // A process that cannot be started is not an error of the request: the docker CLI shows what comes on the stream
        // and takes the exit code from an inspect. Of an error's text it would show nothing.
        hijack({ multiplexed: !terminal }).end(message(`${(error as Error).message}\r\n`, terminal));
        return;
      }
      await execs.serve(exec, stream!, hijack({ multiplexed: !terminal }));
    },

    async ExecResize({ params, query }) {
      const { width, height } = terminalSize(query.w, query.h);
      await execs.resize(execs.get(params.id), width, height);
    },

    async ExecInspect({ params }) {
      return inspectExec(execs.get(params.id));
    },
  };
}

/** Text as the process's own output would arrive. */
function message(text: string, terminal: boolean): Buffer {
  const payload = Buffer.from(text);
  if (terminal) return payload;
  const header = Buffer.from([1, 0, 0, 0, 0, 0, 0, 0]);
  header.writeUInt32BE(payload.length, 4);
  return Buffer.concat([header, payload]);
}

function inspectExec(exec: Exec): Record<string, unknown> {
  const { config, container } = exec;
  const [entrypoint = '', ...args] = config.Cmd ?? [];
  return {
    ID: exec.id,
    Running: exec.status === 'running',
    ExitCode: exec.exitCode,
    ProcessConfig: {
      tty: config.Tty ?? false,
      entrypoint,
      arguments: args,
      privileged: config.Privileged ?? false,
      ...(config.User && { user: config.User }),
    },
    OpenStdin: config.AttachStdin ?? false,
    OpenStderr: config.AttachStderr ?? false,
    OpenStdout: config.AttachStdout ?? false,
    CanRemove: false,
    ContainerID: container.id,
    DetachKeys: config.DetachKeys ? parseDetachKeys(config.DetachKeys).toString('base64') : '',
    Pid: exec.pid,
  };
}
