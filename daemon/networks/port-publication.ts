import type { Container } from '../containers/container.js';
import type { Addon } from '../runtime/addon.js';
import type { Family } from './address.js';
import { gatewayEndpoint } from './default-routes.js';
import type { PortRules } from './firewall.js';
import type { Network } from './network.js';
import type { Networks } from './networks.js';
import { PortHolder, type HeldPort } from './port-holder.js';
import { portRequests } from './port-requests.js';
import { routeCandidates } from './route-candidates.js';
import { settingUp } from './setting-up.js';

/** Where the supervisor of a container takes what arrives at a published port; null for nowhere. */
export interface PortForward {
  protocol: string;
  target: { address: string; port: number } | null;
}

/** Which ports of the host lead to a container, by which of its networks, and who carries what arrives there. */
export class PortPublication {
  readonly #holder: PortHolder;

  constructor(
    addon: Addon,
    readonly networks: Networks,
    containers: () => Container[],
  ) {
    this.#holder = new PortHolder(addon, () => containers().flatMap(({ state }) => state.ports ?? []));
  }

  /** Lets go of the sockets in this process. */
  close(ports: HeldPort[]): void {
    this.#holder.close(ports);
  }

  /** Takes the ports of the host that a container asks for. @throws GantryError when one is taken */
  hold(container: Container): HeldPort[] {
    const requests = portRequests(container.hostConfig, container.config);
    if (requests.length === 0) return [];
    const gateways = this.#publishers(container);
    const network = gateways[4] ?? gateways[6];
    if (!network) return [];
    const modes = { 4: gateways[4]?.bridge?.gatewayModeIPv4, 6: gateways[6]?.bridge?.gatewayModeIPv6 };
    // Routed ports are open at the container's own address; the host's are not taken, nor do those of the other family
    // lead there if the container has no address in it.
    if (Object.values(modes).every((mode) => mode === undefined || mode === 'routed')) return [];
    const families = ([4, 6] as const).filter((family) => modes[family] !== 'routed');
    const endpoint = container.networks[network.name]?.EndpointID ?? '';
    return settingUp(
      () => this.#holder.hold(requests, this.networks.hostBinding(network), families),
      `driver failed programming external connectivity on endpoint ${container.name} (${endpoint}): `,
    );
  }

  /** The bridge networks by which the container is reached from outside, by family. */
  #publishers(container: Container): Partial<Record<Family, Network>> {
    const candidates = routeCandidates(container, this.networks);
    const networkOf = (family: Family): Network | undefined => {
      const chosen = gatewayEndpoint(candidates, family);
      const network = chosen && this.networks.find(chosen.network);
      return network?.bridge ? network : undefined;
    };
    const ipv4 = networkOf(4);
    const ipv6 = networkOf(6);
    return { ...(ipv4 && { 4: ipv4 }), ...(ipv6 && { 6: ipv6 }) };
  }

  /** The container's addresses at which published ports arrive. */
  #targets(container: Container): { ipv4: string; ipv6: string } {
    const publishers = this.#publishers(container);
    return {
      ipv4: (publishers[4] && container.networks[publishers[4].name]?.IPAddress) ?? '',
      ipv6: (publishers[6] && container.networks[publishers[6].name]?.GlobalIPv6Address) ?? '',
    };
  }

  /** What the firewall has to know about a container's ports. */
  rules(container: Container): PortRules[] {
    const targets = this.#targets(container);
    const publishers = this.#publishers(container);
    const routed = (family: Family): boolean => {
      const options = publishers[family]?.bridge;
      return (family === 4 ? options?.gatewayModeIPv4 : options?.gatewayModeIPv6) === 'routed';
    };
    const direct = this.networks.options.directRouting;
    const rules = (container.state.ports ?? []).map((port) => {
      const family = port.hostAddress.includes(':') ? 6 : 4;
      return {
        ...port,
        ...targets,
        translate: !this.networks.shimForwards && !routed(family),
        open: direct || routed(family),
      };
    });
    // Where no port of the host is taken, the container's own are all there is to open.
    const opened = (['0.0.0.0', '::'] as const)
      .filter((hostAddress) => routed(hostAddress === '::' ? 6 : 4))
      .flatMap((hostAddress) =>
        portRequests(container.hostConfig, container.config).map(({ protocol, containerPort }) => ({
          ...{ protocol, containerPort, hostAddress, hostPort: 0 },
          ...targets,
          translate: false,
          open: true,
        })),
      );
    const missing = opened.filter(({ hostAddress }) => !rules.some((rule) => rule.hostAddress === hostAddress));
    return targets.ipv4 || targets.ipv6 ? [...rules, ...missing] : [];
  }

  /** What its supervisor has to know, in the order of its sockets. */
  forwards(container: Container): PortForward[] {
    const { ipv4, ipv6 } = this.#targets(container);
    const served = this.networks.options.userlandProxy || this.networks.shimForwards;
    return (container.state.ports ?? []).map(({ protocol, hostAddress, containerPort }) => {
      const address = hostAddress.includes(':') ? ipv6 || ipv4 : ipv4 || ipv6;
      return { protocol, target: served && address ? { address, port: containerPort } : null };
    });
  }
}
