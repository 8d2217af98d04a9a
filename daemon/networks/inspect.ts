import type { Container } from '../containers/container.js';
import type { Network } from './network.js';

/** One element of GET /networks: a network without those who are on it. */
export function summarizeNetwork({ record }: Network): Record<string, unknown> {
  const { definition } = record;
  return {
    Name: record.name,
    Id: record.id,
    Created: record.created,
    Scope: 'local',
    Driver: record.driver,
    EnableIPv4: definition.enableIPv4,
    EnableIPv6: definition.enableIPv6,
    IPAM: {
      Driver: 'default',
      Options: definition.ipamOptions,
      Config: definition.ipam.length > 0 ? definition.ipam : null,
    },
    Internal: definition.internal,
    Attachable: definition.attachable,
    Ingress: false,
    ConfigFrom: { Network: definition.configFrom },
    ConfigOnly: definition.configOnly,
    Containers: {},
    Options: definition.options,
    Labels: definition.labels,
  };
}

/** GET /networks/{id}. There is nothing more to tell with `verbose`: that is about services of a swarm. */
export function inspectNetwork(network: Network): Record<string, unknown> {
  const members = [...network.members.values()];
  return {
    ...summarizeNetwork(network),
    Containers: Object.fromEntries(
      members.map((container) => [container.id, inspectEndpoint(container, network.name)]),
    ),
  };
}

function inspectEndpoint({ name, networks }: Container, network: string): Record<string, string> {
  const endpoint = networks[network] ?? {};
  const { IPAddress, IPPrefixLen, GlobalIPv6Address, GlobalIPv6PrefixLen } = endpoint;
  return {
    Name: name,
    EndpointID: endpoint.EndpointID ?? '',
    MacAddress: endpoint.MacAddress ?? '',
    IPv4Address: IPAddress ? `${IPAddress}/${IPPrefixLen}` : '',
    IPv6Address: GlobalIPv6Address ? `${GlobalIPv6Address}/${GlobalIPv6PrefixLen}` : '',
  };
}
