import type { ContainerConfig, HostConfig } from '../containers/container.js';
import { invalid } from '../errors.js';
import { formatAddress, parseAddress } from './address.js';
import type { PortRequest, Protocol } from './published-port.js';

const protocols: readonly string[] = ['tcp', 'udp', 'sctp'];

/**
 * What a container asks to have published, in the order of its ports.
 * @throws GantryError invalid in Docker's words
 */
export function portRequests(hostConfig: HostConfig, config: ContainerConfig): PortRequest[] {
  const bindings = hostConfig.PortBindings ?? {};
  const requests = Object.entries(bindings).flatMap(([port, hosts]) => {
    const { containerPort, protocol } = parseContainerPort(port);
    // An empty list of bindings is one binding without any wishes.
    return (hosts?.length ? hosts : [{}]).map(({ HostIp = '', HostPort = '' }) => ({
      protocol,
      containerPort,
      hostAddress: hostAddress(HostIp),
      ...hostPorts(HostPort),
    }));
  });
  if (hostConfig.PublishAllPorts) {
    const named = new Set(requests.map(({ containerPort, protocol }) => `${containerPort}/${protocol}`));
    for (const parsed of exposedPorts(config)) {
      if (named.has(`${parsed.containerPort}/${parsed.protocol}`)) continue;
      requests.push({ ...parsed, hostAddress: '', first: 0, last: 0 });
    }
  }
  return requests.sort((a, b) => a.containerPort - b.containerPort || a.protocol.localeCompare(b.protocol));
}

/** "80/tcp", or "80" for TCP. @throws GantryError invalid */
export function parseContainerPort(text: string): { containerPort: number; protocol: Protocol } {
  const [number = '', protocol = 'tcp', ...rest] = text.split('/');
  const containerPort = portNumber(number);
  if (containerPort === undefined || containerPort === 0 || rest.length > 0) {
    throw invalid(`invalid port specification: "${number}"`);
  }
  const known = protocol.toLowerCase();
  if (!protocols.includes(known)) throw invalid(`invalid proto: ${protocol}`);
  return { containerPort, protocol: known as Protocol };
}

/** What a container or its image says it listens at; "80-82/tcp" is three. @throws GantryError invalid */
export function exposedPorts({ ExposedPorts }: ContainerConfig): { containerPort: number; protocol: Protocol }[] {
  return Object.keys(ExposedPorts ?? {}).flatMap((text) => {
    const [numbers = '', ...protocol] = text.split('/');
    const { first, last } = hostPorts(numbers);
    const ports = Array.from({ length: last - first + 1 }, (_, index) => first + index);
    return ports.map((port) => parseContainerPort([port, ...protocol].join('/')));
  });
}

function hostPorts(text: string): { first: number; last: number } {
  if (text === '') return { first: 0, last: 0 };
  const [low = '', high = low, ...rest] = text.split('-');
  const first = portNumber(low);
  const last = portNumber(high);
  if (first === undefined || last === undefined || last < first || rest.length > 0) {
    throw invalid(`invalid port specification: "${text}"`);
  }
  return { first, last };
}

function portNumber(text: string): number | undefined {
  return /^\d{1,5}$/.test(text) && Number(text) <= 65_535 ? Number(text) : undefined;
}

/** In its canonical form; IPv4 written as IPv6 is IPv4. */
function hostAddress(text: string): string {
  if (text === '') return '';
  const address = parseAddress(text.replace(/^\[(.*)\]$/, '$1'));
  if (!address) throw invalid(`invalid IP address: ${text}`);
  const isMapped = address.family === 6 && address.value >> 32n === 0xffffn;
  return formatAddress(isMapped ? { family: 4, value: address.value & 0xffffffffn } : address);
}
