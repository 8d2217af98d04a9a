import { createHash } from 'node:crypto';
import { Agent, ProxyAgent, type Dispatcher } from 'undici';
import { readHostCertificates, secureContext, type HostCertificates } from './certificates.js';
import { isInsecure } from './insecure.js';
import { proxyFor } from './proxies.js';
import type { RegistrySettings, Timings } from './settings.js';

/** More hosts than this at once, and the one that was not used for longest is forgotten. */
const maxHosts = 64;

/**
 * Keeps connections to hosts alive between requests. Certificates and settings are looked at for each request, so that
 * what an administrator changes counts at once.
 */
export class Connections {
  readonly #dispatchers = new Map<string, Dispatcher>();

  constructor(
    readonly settings: () => RegistrySettings,
    readonly timings: Timings,
  ) {}

  /** @throws GantryError remote, when certificates cannot be used */
  async dispatcher(url: URL): Promise<Dispatcher> {
    const settings = this.settings();
    const isSecure = url.protocol === 'https:';
    const certificates = isSecure ? readHostCertificates(settings.certificates, url.host) : { authorities: [] };
    const verify = isSecure && !(await isInsecure(url.host, settings.insecure));
    const proxy = proxyFor(url, settings);
    const key = createHash('sha256')
      .update(JSON.stringify([url.origin, verify, proxy, certificates]))
      .digest('hex');
    const known = this.#dispatchers.get(key);
    // Put in again, as the one that was used last.
    if (known) this.#dispatchers.delete(key);
    const dispatcher = known ?? this.#create(url, certificates, verify, proxy);
    this.#dispatchers.set(key, dispatcher);
    this.#forgetOldest();
    return dispatcher;
  }

  /** Whether a host may be spoken to over plain HTTP although something secure led there. */
  async allowsPlain(url: URL): Promise<boolean> {
    return url.protocol === 'https:' || isInsecure(url.host, this.settings().insecure);
  }

  /** Ends every connection. */
  async close(): Promise<void> {
    const all = [...this.#dispatchers.values()];
    this.#dispatchers.clear();
    await Promise.all(all.map((dispatcher) => dispatcher.destroy()));
  }

  #create(url: URL, certificates: HostCertificates, verify: boolean, proxy: string | undefined): Dispatcher {
    const tls =
      url.protocol === 'https:'
        ? { secureContext: secureContext(url.host, certificates), rejectUnauthorized: verify }
        : {};
    const options = {
      headersTimeout: this.timings.silence,
      bodyTimeout: this.timings.silence,
      // Uploads and downloads run beside each other, each on a connection of its own.
      allowH2: false,
    };
    const connect = { timeout: this.timings.connect, ...tls };
    if (proxy === undefined) return new Agent({ ...options, connect });
    return new ProxyAgent({ ...options, uri: proxy, requestTls: connect, connectTimeout: this.timings.connect });
  }

  #forgetOldest(): void {
    for (const [key, dispatcher] of this.#dispatchers) {
      if (this.#dispatchers.size <= maxHosts) return;
      this.#dispatchers.delete(key);
      // What runs on it comes to its end first.
      void dispatcher.close();
    }
  }
}
