import { internal, invalid } from '../errors.js';
import { isIP } from 'node:net';

export type GatewayMode = 'nat' | 'nat-unprotected' | 'routed' | 'isolated';

/** `com.docker.network.*` of a bridge network, read. */
export interface BridgeOptions {
  /** "" for one made from the network's id. */
  name: string;
  mtu: number;
  masquerade: boolean;
  interContainer: boolean;
  inhibitIPv4: boolean;
  /** Where ports are published that name no address; "" for everywhere. */
  hostBinding: string;
  /** The interfaces of containers are called eth0, eth1 and so on. */
  interfacePrefix: string;
  /** What leaves has this source; "" for that of the interface it leaves by. */
  hostIPv4: string;
  hostIPv6: string;
  gatewayModeIPv4: GatewayMode;
  gatewayModeIPv6: GatewayMode;
  /** From these interfaces of the host, containers may be reached directly. */
  trustedInterfaces: string[];
}

const bridge = 'com.docker.network.bridge';

/** The families as options, which default-network-opts may set; they are of every driver. */
export const familyOptionNames = {
  enableIPv4: 'com.docker.network.enable_ipv4',
  enableIPv6: 'com.docker.network.enable_ipv6',
} as const;

/** The names of all options of a bridge network. */
export const bridgeOptionNames = {
  name: `${bridge}.name`,
  mtu: 'com.docker.network.driver.mtu',
  masquerade: `${bridge}.enable_ip_masquerade`,
  interContainer: `${bridge}.enable_icc`,
  inhibitIPv4: `${bridge}.inhibit_ipv4`,
  hostBinding: `${bridge}.host_binding_ipv4`,
  interfacePrefix: 'com.docker.network.container_iface_prefix',
  hostIPv4: 'com.docker.network.host_ipv4',
  hostIPv6: 'com.docker.network.host_ipv6',
  gatewayModeIPv4: `${bridge}.gateway_mode_ipv4`,
  gatewayModeIPv6: `${bridge}.gateway_mode_ipv6`,
  trustedInterfaces: `${bridge}.trusted_host_interfaces`,
  isDefault: `${bridge}.default_bridge`,
  ...familyOptionNames,
} as const;

/**
 * Reads the options of a bridge network.
 * @throws GantryError invalid for a wrong value, and for an option that there is none of
 */
export function parseBridgeOptions(options: Record<string, string>, isInternal: boolean): BridgeOptions {
  const names = bridgeOptionNames;
  const unknown = Object.keys(options).find((name) => !(Object.values(names) as string[]).includes(name));
  if (unknown !== undefined) throw invalid(`option "${unknown}" is not supported by the bridge driver`);
  const text = (name: string): string => options[name] ?? '';
  const parsed: BridgeOptions = {
    name: interfaceName(names.name, text(names.name)),
    mtu: mtu(names.mtu, options[names.mtu]),
    masquerade: boolean(names.masquerade, options[names.masquerade], true),
    interContainer: boolean(names.interContainer, options[names.interContainer], true),
    inhibitIPv4: boolean(names.inhibitIPv4, options[names.inhibitIPv4], false),
    hostBinding: address(names.hostBinding, options[names.hostBinding], 4),
    interfacePrefix: text(names.interfacePrefix) || 'eth',
    hostIPv4: address(names.hostIPv4, options[names.hostIPv4], 4),
    hostIPv6: address(names.hostIPv6, options[names.hostIPv6], 6),
    gatewayModeIPv4: gatewayMode(names.gatewayModeIPv4, options[names.gatewayModeIPv4]),
    gatewayModeIPv6: gatewayMode(names.gatewayModeIPv6, options[names.gatewayModeIPv6]),
    trustedInterfaces: text(names.trustedInterfaces)
      .split(':')
      .filter((name) => name !== '')
      .map((name) => interfaceName(names.trustedInterfaces, name)),
  };
  interfaceName(names.interfacePrefix, `${parsed.interfacePrefix}99`);
  if (!isInternal && [parsed.gatewayModeIPv4, parsed.gatewayModeIPv6].includes('isolated')) {
    throw internal("gateway mode 'isolated' can only be used for an internal network");
  }
  return parsed;
}

const TRUE = ['1', 't', 'T', 'true', 'TRUE', 'True'];
const FALSE = ['0', 'f', 'F', 'false', 'FALSE', 'False'];

function boolean(name: string, value: string | undefined, otherwise: boolean): boolean {
  if (value === undefined) return otherwise;
  if (TRUE.includes(value)) return true;
  if (FALSE.includes(value)) return false;
  throw invalid(`failed to parse ${name} value: ${value} (strconv.ParseBool: parsing "${value}": invalid syntax)`);
}

/** @throws GantryError in Docker's words */
export function mtu(name: string, value = '0'): number {
  if (!/^[+-]?\d+$/.test(value)) {
    throw invalid(`failed to parse ${name} value: ${value} (strconv.Atoi: parsing "${value}": invalid syntax)`);
  }
  const number = Number(value);
  if (number < 0 || number > 65_535) throw invalid(`invalid MTU number: ${number}`);
  return number;
}

function address(name: string, value: string | undefined, family: 4 | 6): string {
  if (value === undefined) return '';
  if (isIP(value) !== family) throw invalid(`failed to parse ${name} value: ${value} (nil ip)`);
  return value;
}

function gatewayMode(name: string, value = 'nat'): GatewayMode {
  const known = (['nat', 'nat-unprotected', 'routed', 'isolated'] as const).find((mode) => mode === value);
  if (!known) throw invalid(`failed to parse ${name} value: ${value} (unknown gateway mode ${value})`);
  return known;
}

function interfaceName(option: string, value: string): string {
  if (value !== '' && (!/^[^\s/:]{1,15}$/.test(value) || value === '.' || value === '..')) {
    throw invalid(`failed to parse ${option} value: ${value} (not the name of an interface)`);
  }
  return value;
}
