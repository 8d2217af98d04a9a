import { isIP } from 'node:net';
import { hostName, networksOf } from './insecure.js';

export interface ProxySettings {
  httpProxy: string;
  httpsProxy: string;
  noProxy: string;
}

/**
 * The proxy by which a URL is to be reached, by the rules of Go's `httpproxy`, which dockerd follows: never for this
 * machine itself; `noProxy` names hosts with their subdomains (".example.com" the subdomains only), addresses, CIDRs,
 * each with an optional port, or "*".
 */
export function proxyFor(url: URL, settings: ProxySettings): string | undefined {
  const proxy = url.protocol === 'https:' ? settings.httpsProxy : settings.httpProxy;
  if (!proxy || isThisMachine(url) || isExempt(url, settings.noProxy)) return undefined;
  return /:\/\//.test(proxy) ? proxy : `http://${proxy}`;
}

const thisMachine = networksOf(['127.0.0.0/8', '::1/128']);

function isThisMachine(url: URL): boolean {
  const name = hostName(url.hostname);
  const family = isIP(name);
  return name === 'localhost' || (family !== 0 && thisMachine.check(name, family === 4 ? 'ipv4' : 'ipv6'));
}

function isExempt(url: URL, noProxy: string): boolean {
  const name = hostName(url.hostname).toLowerCase();
  const port = url.port || (url.protocol === 'https:' ? '443' : '80');
  return noProxy
    .split(',')
    .map((entry) => entry.trim().toLowerCase())
    .filter((entry) => entry !== '')
    .some((entry) => matches(entry, name, port));
}

function matches(entry: string, name: string, port: string): boolean {
  if (entry === '*') return true;
  const family = isIP(name);
  if (entry.includes('/')) return family !== 0 && networksOf([entry]).check(name, family === 4 ? 'ipv4' : 'ipv6');
  const givenPort = isIP(entry) ? undefined : /:(\d+)$/.exec(entry)?.[1];
  if (givenPort !== undefined && givenPort !== port) return false;
  const host = isIP(entry) ? entry : hostName(entry);
  if (family || isIP(host)) return host === name;
  const domain = host.replace(/^\*/, '');
  return domain.startsWith('.') ? name.endsWith(domain) : name === domain || name.endsWith(`.${domain}`);
}
