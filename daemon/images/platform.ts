import { invalid } from '../errors.js';

export interface Platform {
  os: string;
  architecture: string;
  variant?: string;
}

const nodeArchitectures: Readonly<Record<string, string>> = { x64: 'amd64', arm: 'arm', arm64: 'arm64', ia32: '386' };
const aliases: Readonly<Record<string, Pick<Platform, 'architecture' | 'variant'>>> = {
  x86_64: { architecture: 'amd64' },
  'x86-64': { architecture: 'amd64' },
  aarch64: { architecture: 'arm64' },
  armhf: { architecture: 'arm', variant: 'v7' },
  armel: { architecture: 'arm', variant: 'v6' },
  i386: { architecture: '386' },
};

/** What this engine runs, in the names of the OCI image specification (Go's GOOS and GOARCH). */
export const hostPlatform: Platform = {
  os: 'linux',
  architecture: nodeArchitectures[process.arch] ?? process.arch,
};

/** "linux/arm64/v8", "arm64", "linux": missing parts are the host's. @throws GantryError invalid */
export function parsePlatform(text: string): Platform {
  const parts = text.split('/');
  const wellFormed = parts.length <= 3 && parts.every((part) => /^[A-Za-z0-9_.-]+$/.test(part));
  if (!wellFormed) throw invalid(`"${text}": cannot parse platform specifier: invalid argument`);
  const [first = '', second, third] = parts.map((part) => part.toLowerCase());
  if (second === undefined) {
    const isOs = ['linux', 'windows', 'darwin', 'freebsd'].includes(first);
    return isOs ? { os: first, architecture: hostPlatform.architecture } : normalise('linux', first);
  }
  return normalise(first, second, third);
}

/** The JSON form that newer API versions use: {"os": "linux", "architecture": "arm64"}. @throws GantryError invalid */
export function parsePlatformJson(text: string): Platform {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (cause) {
    throw invalid('failed to parse platform', cause);
  }
  const { os, architecture, variant } = (value ?? {}) as Record<string, unknown>;
  if (typeof os !== 'string' || typeof architecture !== 'string' || !os || !architecture) {
    throw invalid('both OS and Architecture must be provided');
  }
  return normalise(os, architecture, typeof variant === 'string' && variant ? variant : undefined);
}

export const formatPlatform = (platform: Platform): string =>
  [platform.os, platform.architecture, ...(platform.variant ? [platform.variant] : [])].join('/');

/** Whether an image of platform `image` may stand for a request of `wanted`; a variant counts only when asked for. */
export function matchesPlatform(image: Platform, wanted: Platform): boolean {
  const variantOf = (platform: Platform): string =>
    platform.variant ?? (platform.architecture === 'arm64' ? 'v8' : platform.architecture === 'arm' ? 'v7' : '');
  return (
    image.os === wanted.os &&
    image.architecture === wanted.architecture &&
    (wanted.variant === undefined || variantOf(image) === variantOf(wanted))
  );
}

function normalise(os: string, architecture: string, variant?: string): Platform {
  const alias = aliases[architecture];
  const known = variant ?? alias?.variant;
  return { os, architecture: alias?.architecture ?? architecture, ...(known === undefined ? {} : { variant: known }) };
}
