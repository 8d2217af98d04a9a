import { internal } from '../errors.js';
import type { Addon, NativeError } from '../runtime/addon.js';
import type { Family } from './address.js';
import type { PortRequest, PublishedPort } from './published-port.js';

/** A published port with the socket that holds it; -1 where the kernel has no such sockets. */
export interface HeldPort extends PublishedPort {
  socket: number;
}

/** How often another port is tried when one was free in the first family and not in the second. */
const attempts = 64;
/** Where ports are looked for that no socket can find: the beginning of Linux's own range. */
const firstEphemeral = 32_768;

/** Takes ports of the host for containers. A port is taken when a socket is bound to it, so nobody else can have it. */
export class PortHolder {
  constructor(
    readonly addon: Addon,
    /** The ports that containers hold now; asked only where there are no sockets to tell. */
    readonly held: () => PublishedPort[],
  ) {}

  /**
   * Takes every requested port, or none.
   * @param binding where ports go that name no address; "" for every address
   * @param families of addresses at which ports are taken; those of the other need none
   * @throws GantryError internal "port is already allocated", as Docker has it
   */
  hold(requests: PortRequest[], binding: string, families: readonly Family[]): HeldPort[] {
    const ports: HeldPort[] = [];
    try {
      for (const request of requests) {
        const addresses = addressesOf(request, binding).filter((address) => families.includes(familyOf(address)));
        if (addresses.length > 0) ports.push(...this.#holdOne(request, addresses, ports));
      }
      return ports;
    } catch (error) {
      this.close(ports);
      throw error;
    }
  }

  /** Lets go of the sockets, in this process. */
  close(ports: HeldPort[]): void {
    for (const { socket } of ports) if (socket >= 0) this.addon.closeDescriptor(socket);
  }

  #holdOne(request: PortRequest, addresses: string[], sofar: HeldPort[]): HeldPort[] {
    const any = request.first === 0;
    const choices = any ? attempts : request.last - request.first + 1;
    for (let index = 0; index < choices; index++) {
      const ports = this.#tryPort(request, addresses, any ? 0 : request.first + index, sofar);
      if (ports) return ports;
    }
    throw internal(`Bind for ${shown(addresses[0]!)}:${request.first} failed: port is already allocated`);
  }

  /** The same port on all addresses; undefined when it is taken on one of them. */
  #tryPort(
    { protocol, containerPort }: PortRequest,
    addresses: string[],
    wanted: number,
    sofar: HeldPort[],
  ): HeldPort[] | undefined {
    const ports: HeldPort[] = [];
    let hostPort = wanted;
    for (const hostAddress of addresses) {
      try {
        const bound = this.addon.bindPort(protocol, hostAddress, hostPort);
        ports.push({ protocol, containerPort, hostAddress, hostPort: bound.port, socket: bound.descriptor });
      } catch (error) {
        const { code } = error as NativeError;
        // A host without IPv6 has no ports there.
        if (code === 'EAFNOSUPPORT' && hostAddress === '::' && ports.length > 0) continue;
        this.close(ports);
        if (code === 'EADDRINUSE') return undefined;
        throw bindFailure(error as Error, code, `${shown(hostAddress)}:${hostPort}/${protocol}`);
      }
      const last = ports.at(-1)!;
      if (last.socket < 0 && !this.#takeWithoutSocket(last, sofar)) return undefined;
      hostPort = last.hostPort;
    }
    return ports;
  }

  /** Without sockets nobody but containers can have the port. */
  #takeWithoutSocket(port: HeldPort, sofar: HeldPort[]): boolean {
    const others = [...this.held(), ...sofar].filter(({ protocol }) => protocol === port.protocol);
    const taken = (hostPort: number): boolean =>
      others.some((other) => other.hostPort === hostPort && sameAddress(other.hostAddress, port.hostAddress));
    if (port.hostPort !== 0) return !taken(port.hostPort);
    port.hostPort = firstEphemeral;
    while (taken(port.hostPort)) port.hostPort++;
    return port.hostPort < 65_536;
  }
}

function addressesOf({ hostAddress }: PortRequest, binding: string): string[] {
  const address = hostAddress || binding;
  return address === '' ? ['0.0.0.0', '::'] : [address];
}

const familyOf = (address: string): Family => (address.includes(':') ? 6 : 4);

const shown = (address: string): string => (address.includes(':') ? `[${address}]` : address);

function bindFailure(error: Error, code: string, port: string): Error {
  const reason = code === 'EADDRNOTAVAIL' ? 'cannot assign requested address' : error.message;
  return internal(`failed to bind host port for ${port}: ${reason}`, error);
}

function sameAddress(one: string, other: string): boolean {
  if (one.includes(':') !== other.includes(':')) return false;
  return one === other || [one, other].some((address) => address === '0.0.0.0' || address === '::');
}
