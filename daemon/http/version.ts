import { invalid } from '../errors.js';

const MINIMUM_MINOR = 24;
const MAXIMUM_MINOR = 55;

/** A version of the Docker Engine API; all that are served are 1.x. */
export class ApiVersion {
  constructor(readonly minor: number) {}

  /** Whether the client speaks this version or a newer one: `version.atLeast('1.42')`. */
  atLeast(version: `1.${number}`): boolean {
    return this.minor >= Number(version.slice(2));
  }

  toString(): string {
    return `1.${this.minor}`;
  }
}

export const MINIMUM_VERSION = new ApiVersion(MINIMUM_MINOR);
export const MAXIMUM_VERSION = new ApiVersion(MAXIMUM_MINOR);

/**
 * Splits `/v1.44/info` into its version and `/info`. Without a prefix the newest version is meant.
 * The version is given as text, because one out of range is an error only later, when a response can be sent.
 */
export function splitVersion(url: string): { version: string | undefined; rest: string } {
  const match = /^\/v(\d+(?:\.\d+)*)(?=\/)/.exec(url);
  if (!match) return { version: undefined, rest: url };
  return { version: match[1], rest: url.slice(match[0].length) };
}

/** @throws GantryError in dockerd's wording, which clients parse to find a version both sides speak */
export function parseVersion(text: string | undefined): ApiVersion {
  if (text === undefined) return MAXIMUM_VERSION;
  const [major = 0, minor = 0] = text.split('.').map(Number);
  if (major > 1 || (major === 1 && minor > MAXIMUM_MINOR)) {
    throw invalid(`client version ${text} is too new. Maximum supported API version is ${MAXIMUM_VERSION.toString()}`);
  }
  if (major < 1 || minor < MINIMUM_MINOR) {
    throw invalid(
      `client version ${text} is too old. Minimum supported API version is ${MINIMUM_VERSION.toString()}, ` +
        'please upgrade your client to a newer version',
    );
  }
  return new ApiVersion(minor);
}
