import type { Config } from './config/options.js';
import { parseListenAddress } from './config/listen-address.js';
import { groupId, listen, type ListenTarget, type TlsSettings } from './http/listen.js';
import type { EngineServer } from './http/server.js';

/**
 * Listens on every address of the configuration.
 * @param descriptors sockets that systemd passed, for fd://
 * @returns the addresses, as they were given
 */
export async function listenOnAll(server: EngineServer, config: Config, descriptors: number[]): Promise<string[]> {
  for (const host of config.hosts) {
    for (const target of targetsOf(host, config, descriptors)) await listen(server, target);
  }
  return config.hosts;
}

function targetsOf(host: string, config: Config, descriptors: number[]): ListenTarget[] {
  const address = parseListenAddress(host, config.tls);
  const tls = config.tls ? { tls: tlsSettings(config) } : {};
  switch (address.kind) {
    case 'unix':
      return [{ kind: 'unix', path: address.path, ...socketGroup(config.group) }];
    case 'tcp':
      return [{ kind: 'tcp', host: address.host, port: address.port, ...tls }];
    case 'fd':
      return passedSockets(address.name, host, descriptors).map((fd) => ({ kind: 'descriptor', fd }));
  }
}

/** The default group need not exist: then only root may use the socket. */
function socketGroup(group: string): { group?: string } {
  try {
    groupId(group);
    return { group };
  } catch (error) {
    if (group === 'docker' || group === '') return {};
    throw error;
  }
}

function passedSockets(name: string, host: string, descriptors: number[]): number[] {
  const chosen = name === '' || name === '*' ? descriptors : descriptors.filter((fd) => String(fd) === name);
  if (chosen.length === 0) throw new Error(`${host}: no such socket was passed: start gantryd by its socket unit`);
  return chosen;
}

function tlsSettings(config: Config): TlsSettings {
  return {
    certificateFile: config.tlsCertificate,
    keyFile: config.tlsKey,
    ...(config.tlsVerify && { authorityFile: config.tlsCaCertificate }),
    verify: config.tlsVerify,
  };
}
