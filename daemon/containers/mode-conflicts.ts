import { invalid } from '../errors.js';
import type { ContainerConfig, HostConfig } from './container.js';

/**
 * Refuses what has no effect where a namespace is somebody else's, in Docker's words.
 * @param config as the client sent it: what an image brings along is no wish of the user
 */
export function refuseConflictingModes(config: ContainerConfig, hostConfig: HostConfig): void {
  const refuse = (conflict: unknown, options: string): void => {
    if (conflict) throw invalid(`conflicting options: ${options}`);
  };
  const { NetworkMode = '', UTSMode } = hostConfig;
  refuse(UTSMode === 'host' && config.Hostname, 'hostname and the UTS mode');
  const ofLinks = "can't be used with links. This would result in undefined behavior";
  refuse(NetworkMode === 'host' && hostConfig.Links?.length, `host type networking ${ofLinks}`);
  if (!NetworkMode.startsWith('container:')) return;
  if (NetworkMode === 'container:') throw invalid('invalid container format container:<name|id>');
  refuse(config.Hostname, 'hostname and the network mode');
  refuse(hostConfig.Links?.length, `container type network ${ofLinks}`);
  refuse(hostConfig.Dns?.length, 'dns and the network mode');
  refuse(hostConfig.ExtraHosts?.length, 'custom host-to-IP mapping and the network mode');
  refuse(
    Object.keys(hostConfig.PortBindings ?? {}).length > 0 || hostConfig.PublishAllPorts,
    'port publishing and the container type network mode',
  );
  refuse(Object.keys(config.ExposedPorts ?? {}).length > 0, 'port exposing and the container type network mode');
}
