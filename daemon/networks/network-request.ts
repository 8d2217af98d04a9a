import type { Schemas } from '../api.js';
import { forbidden, invalid, notFound } from '../errors.js';
import type { NetworkDriver } from '../store/networks.js';
import { familyOptionNames } from './bridge-options.js';
import { blankDefinition, type NetworkDefinition } from './definition.js';
import { validateIpam, type IpamRequest } from './ipam.js';

export type NetworkCreateRequest = Schemas['NetworkCreateRequest'];

const drivers: readonly string[] = ['bridge', 'macvlan', 'ipvlan'];

/** A request that has been checked as far as it can be without looking at other networks. */
export interface CheckedRequest {
  name: string;
  driver: NetworkDriver;
  ipam: IpamRequest;
  /** Without subnets and link, which are yet to be chosen. */
  definition: NetworkDefinition;
  warning: string;
}

/**
 * @param defaults options of new networks by driver, from the configuration
 * @throws GantryError in Docker's words
 */
export function checkRequest(
  request: NetworkCreateRequest,
  defaults: Record<string, Record<string, string>>,
): CheckedRequest {
  const { Name: name = '', Scope = '', ConfigOnly = false, ConfigFrom, Ingress } = request;
  if (name.trim() === '') throw invalid('invalid name: name is empty');
  if (['bridge', 'host', 'none', 'default'].includes(name)) {
    throw forbidden(`operation is not permitted on predefined ${name} network `);
  }
  if (ConfigOnly && (Ingress || request.Internal || request.Attachable || Scope !== '')) {
    throw forbidden(
      'configuration network can only contain network specific fields. Network operator fields like ' +
        '[ ingress | internal | attachable | scope ] are not supported.',
    );
  }
  if (Ingress) throw forbidden('Ingress network can only be global scope network');
  if (Scope === 'swarm') throw forbidden('cannot create a swarm scoped network when swarm is not active');
  if (Scope !== '' && Scope !== 'local') throw invalid(`scope "${Scope}" is not supported: networks are local`);
  const driver = ConfigOnly ? 'null' : knownDriver(request.Driver || 'bridge');
  const ipam = (request.IPAM ?? {}) as IpamRequest;
  validateIpam(ipam);
  if (ConfigFrom?.Network) refuseOwnSettings(request);
  const options = ConfigOnly ? { ...request.Options } : { ...defaults[driver], ...request.Options };
  const definition: NetworkDefinition = {
    ...blankDefinition(),
    enableIPv4: request.EnableIPv4 ?? legacyFamily(options, familyOptionNames.enableIPv4) ?? true,
    enableIPv6: request.EnableIPv6 ?? legacyFamily(options, familyOptionNames.enableIPv6) ?? false,
    internal: request.Internal ?? false,
    attachable: request.Attachable ?? false,
    configOnly: ConfigOnly,
    configFrom: ConfigFrom?.Network ?? '',
    ipamOptions: ipam.Options ?? null,
    ipam: ipam.Config ?? [],
    options,
    labels: request.Labels ?? {},
    userSubnets: (ipam.Config ?? []).some(({ Subnet }) => Subnet),
  };
  if (!definition.enableIPv4 && !definition.enableIPv6) throw invalid('IPv4 or IPv6 must be enabled');
  return { name, driver, ipam, definition, warning: '' };
}

/** A network that takes its settings from a configuration network has none of its own. */
function refuseOwnSettings({ ConfigOnly, EnableIPv6, Labels, IPAM, Options }: NetworkCreateRequest): void {
  if (ConfigOnly) throw forbidden('a configuration network cannot depend on another configuration network');
  if (EnableIPv6 || IPAM?.Config?.length || Object.keys(Labels ?? {}).length > 0) {
    throw forbidden(
      'user specified configurations are not supported if the network depends on a configuration network',
    );
  }
  if (Object.keys(Options ?? {}).length > 0) {
    throw forbidden('network driver options are not supported if the network depends on a configuration network');
  }
}

function knownDriver(driver: string): NetworkDriver {
  if (driver === 'host' || driver === 'null') throw forbidden(`only one instance of "${driver}" network is allowed`);
  if (driver === 'overlay') {
    throw forbidden(
      'This node is not a swarm manager: the overlay driver needs swarm mode, which Gantry does not have.',
    );
  }
  if (!drivers.includes(driver)) throw notFound(`plugin "${driver}" not found`);
  return driver as NetworkDriver;
}

function legacyFamily(options: Record<string, string>, name: string): boolean | undefined {
  const value = options[name];
  if (value === undefined) return undefined;
  if (!/^(1|0|t|f|true|false)$/i.test(value)) throw invalid(`driver-opt "${name}" is not a valid bool`);
  return /^(1|t|true)$/i.test(value);
}

/** Takes over what a config-only network says. @throws GantryError */
export function withConfigFrom(
  request: CheckedRequest,
  source: { definition: NetworkDefinition } | undefined,
): CheckedRequest {
  const from = request.definition.configFrom;
  if (!source?.definition.configOnly) throw notFound(`configuration network "${from}" does not exist`);
  const { enableIPv4, enableIPv6, internal, ipam, options, labels, userSubnets } = source.definition;
  return {
    ...request,
    ipam: { ...request.ipam, Config: ipam },
    definition: {
      ...request.definition,
      enableIPv4,
      enableIPv6,
      internal: request.definition.internal || internal,
      ipam,
      options: { ...request.definition.options, ...options },
      labels: { ...labels, ...request.definition.labels },
      userSubnets,
    },
  };
}
