import type { Container } from '../containers/container.js';
import type { NetworkRecord } from '../store/networks.js';
import type { NetworkOptions } from './networks.js';

/** GET /networks/{id}, and one element of GET /networks. `containers` are those that run on it. */
export function inspectNetwork(
  network: NetworkRecord,
  containers: Container[],
  options: NetworkOptions,
): Record<string, unknown> {
  const bridge = network.driver === 'bridge';
  return {
    Name: network.name,
    Id: network.id,
    Created: network.created,
    Scope: 'local',
    Driver: network.driver,
    EnableIPv4: true,
    EnableIPv6: false,
    IPAM: {
      Driver: 'default',
      Options: null,
      Config: bridge && network.subnet ? [{ Subnet: network.subnet, Gateway: network.gateway }] : null,
    },
    Internal: false,
    Attachable: false,
    Ingress: false,
    ConfigFrom: { Network: '' },
    ConfigOnly: false,
    Containers: Object.fromEntries(containers.map((container) => [container.id, inspectEndpoint(container, network)])),
    Options: bridge ? bridgeOptions(options) : {},
    Labels: {},
  };
}

function inspectEndpoint(container: Container, network: NetworkRecord): Record<string, string> {
  const endpoint = container.networks[network.name];
  const address = endpoint?.IPAddress;
  return {
    Name: container.name,
    EndpointID: endpoint?.EndpointID ?? '',
    MacAddress: endpoint?.MacAddress ?? '',
    IPv4Address: address ? `${address}/${endpoint.IPPrefixLen}` : '',
    IPv6Address: '',
  };
}

function bridgeOptions(options: NetworkOptions): Record<string, string> {
  return {
    'com.docker.network.bridge.default_bridge': 'true',
    'com.docker.network.bridge.enable_icc': 'true',
    'com.docker.network.bridge.enable_ip_masquerade': String(options.masquerade),
    'com.docker.network.bridge.host_binding_ipv4': '0.0.0.0',
    'com.docker.network.bridge.name': options.bridge,
    'com.docker.network.driver.mtu': String(options.mtu),
  };
}
