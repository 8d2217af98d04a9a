import type { Container } from '../containers/container.js';
import type { RouteCandidate } from './default-routes.js';
import type { Networks } from './networks.js';

/** The interfaces of a container that could have the default route. */
export function routeCandidates(container: Container, networks: Pick<Networks, 'find'>): RouteCandidate[] {
  return Object.entries(container.networks).flatMap(([name, endpoint]) => {
    const network = networks.find(name);
    const ownInterface = container.state.interfaces?.[name];
    if (!network?.hasInterfaces || !ownInterface || ownInterface.pending || !endpoint.EndpointID) return [];
    // In the layer 3 modes of ipvlan there is nobody to ask for the way.
    const onLink = network.sharedLink?.mode.startsWith('l3') ?? false;
    const closed = network.record.definition.internal;
    const way = (gateway: string | undefined, address: string | undefined): string | undefined =>
      closed || !address ? undefined : onLink ? '' : gateway || undefined;
    const ipv4 = way(endpoint.Gateway, endpoint.IPAddress);
    const ipv6 = way(endpoint.IPv6Gateway, endpoint.GlobalIPv6Address);
    return {
      network: name,
      interface: ownInterface.name,
      priority: endpoint.GwPriority ?? 0,
      gateways: { ...(ipv4 !== undefined && { 4: ipv4 }), ...(ipv6 !== undefined && { 6: ipv6 }) },
    };
  });
}
