import { EventEmitter } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Container } from '../../daemon/containers/container.js';
import { ContainerDirectories } from '../../daemon/containers/directories.js';
import { ContainerEvents } from '../../daemon/containers/events.js';
import { Execs } from '../../daemon/containers/exec.js';
import { Links } from '../../daemon/containers/links.js';
import { ContainerRegistry } from '../../daemon/containers/registry.js';
import { createdState } from '../../daemon/containers/state.js';
import type { ShimClient } from '../../daemon/runtime/shim-client.js';
import { IdMapping } from '../../daemon/userns/id-mapping.js';

const root = mkdtempSync(join(tmpdir(), 'gantry-exec-'));
afterAll(() => rmSync(root, { recursive: true }));

/** A shim that starts nothing. */
class UnwillingShim extends EventEmitter {
  exec(): Promise<never> {
    return Promise.reject(Object.assign(new Error('no such command'), { exitCode: 127 }));
  }
}

function runningContainer(shim: EventEmitter): Container {
  const record = {
    id: 'a'.repeat(64),
    name: 'box',
    created: '',
    imageId: '',
    config: {},
    hostConfig: {},
    networks: {},
    mounts: [],
    path: 'true',
    args: [],
  };
  const container = new Container(record, { ...createdState(), status: 'running' });
  container.shim = shim as ShimClient;
  return container;
}

test('an exec that cannot be started leaves no listener behind: a health check would pile them up', async () => {
  const shim = new UnwillingShim();
  const container = runningContainer(shim);
  const registry = new ContainerRegistry();
  const links = new Links(
    registry,
    new ContainerDirectories(join(root, 'data'), join(root, 'exec'), IdMapping.identity),
    { saveRecord: () => undefined },
    true,
  );
  const execs = new Execs(registry, links, new ContainerEvents({ publish: () => undefined }));
  for (let attempt = 0; attempt < 3; attempt++) {
    const exec = execs.create(container, { Cmd: ['nothing'] });
    await expect(execs.start(exec, { detach: true })).rejects.toThrow('no such command');
    expect([exec.status, exec.exitCode, await exec.exit]).toEqual(['exited', 127, 127]);
  }
  expect([shim.listenerCount('exec-exit'), shim.listenerCount('close')]).toEqual([0, 0]);
  expect(container.execIds.size).toBe(0);
});
