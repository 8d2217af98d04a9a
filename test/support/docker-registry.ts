import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, connect, type AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { CertificateFiles } from './certificates.js';
import { eventually } from './eventually.js';
import { configOf, sha256, type ImageParts } from './image-server.js';

export interface RegistryOptions {
  /** An address of this machine. */
  address?: string;
  tls?: CertificateFiles & { clientAuthority?: string };
  /** The `auth` part of the configuration. */
  auth?: object;
  /** Another registry's content, to have the same under another configuration. */
  content?: DockerRegistry;
}

/** "alice" with the password "secret", as `htpasswd -B` writes it. */
export const htpasswd = 'alice:$2b$04$cdixfh/LqbTlZzvIOH3GveLe6adhTJph.t0A/KfsWrXbM4Z2quDV2\n';

/** Debian's docker-registry on a port of its own. */
export class DockerRegistry {
  readonly directory = mkdtempSync(join(tmpdir(), 'gantry-registry-'));
  host = '';
  #child: ChildProcess | undefined;
  #output = '';

  constructor(private readonly options: RegistryOptions = {}) {}

  async start(): Promise<void> {
    const address = this.options.address ?? '127.0.0.1';
    const port = await freePort(address);
    this.host = `${address}:${port}`;
    const path = join(this.directory, 'config.yml');
    // JSON is YAML.
    writeFileSync(path, JSON.stringify(this.#configuration()));
    // It ends with the test, even with one that fails before it can stop it.
    const command = ['--pdeathsig', 'KILL', 'docker-registry', 'serve', path];
    this.#child = spawn('setpriv', command, { stdio: ['ignore', 'pipe', 'pipe'] });
    for (const stream of [this.#child.stdout, this.#child.stderr]) {
      stream?.on('data', (chunk: Buffer) => (this.#output = (this.#output + chunk.toString()).slice(-4000)));
    }
    const child = this.#child;
    await eventually(
      () => answers(address, port),
      (isUp) => {
        if (child.exitCode !== null) throw new Error(`docker-registry did not start\n${this.#output}`);
        return isUp;
      },
    );
  }

  /** Puts an OCI image there with its layers as they are: other tools compress them on the way. */
  async putUncompressed(repository: string, tag: string, parts: ImageParts): Promise<void> {
    const type = 'application/vnd.oci.image';
    const manifest = {
      schemaVersion: 2,
      mediaType: `${type}.manifest.v1+json`,
      config: { mediaType: `${type}.config.v1+json`, ...(await this.#putBlob(repository, configOf(parts))) },
      layers: [] as object[],
    };
    for (const layer of parts.layers) {
      manifest.layers.push({ mediaType: `${type}.layer.v1.tar`, ...(await this.#putBlob(repository, layer)) });
    }
    await this.#put(`/v2/${repository}/manifests/${tag}`, JSON.stringify(manifest), manifest.mediaType);
  }

  async #putBlob(repository: string, content: Buffer): Promise<{ digest: string; size: number }> {
    const digest = `sha256:${sha256(content)}`;
    const upload = await fetch(`http://${this.host}/v2/${repository}/blobs/uploads/`, { method: 'POST' });
    const location = new URL(upload.headers.get('location') ?? '', upload.url);
    location.searchParams.set('digest', digest);
    await this.#put(`${location.pathname}${location.search}`, content, 'application/octet-stream');
    return { digest, size: content.length };
  }

  async #put(path: string, content: string | Buffer, type: string): Promise<void> {
    const url = `http://${this.host}${path}`;
    const body = Uint8Array.from(Buffer.from(content));
    const { status } = await fetch(url, { method: 'PUT', body, headers: { 'Content-Type': type } });
    if (status !== 201) throw new Error(`PUT ${url}: ${status}`);
  }

  async stop(): Promise<void> {
    const child = this.#child;
    if (child && child.exitCode === null && child.signalCode === null) {
      const ended = once(child, 'exit');
      child.kill('SIGKILL');
      await ended;
    }
    rmSync(this.directory, { recursive: true, force: true });
  }

  get storage(): string {
    return this.options.content?.storage ?? join(this.directory, 'content');
  }

  #configuration(): object {
    const { tls, auth } = this.options;
    return {
      version: '0.1',
      log: { level: 'error', accesslog: { disabled: true } },
      storage: { filesystem: { rootdirectory: this.storage }, delete: { enabled: true } },
      http: {
        addr: this.host,
        ...(tls
          ? {
              tls: {
                certificate: tls.certificate,
                key: tls.key,
                ...(tls.clientAuthority ? { clientcas: [tls.clientAuthority] } : {}),
              },
            }
          : {}),
      },
      ...(auth ? { auth } : {}),
    };
  }
}

async function freePort(address: string): Promise<number> {
  const server = createServer().listen(0, address);
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, 'close');
  return port;
}

function answers(host: string, port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ host, port });
    const done = (isUp: boolean): void => {
      socket.destroy();
      resolve(isUp);
    };
    socket.on('connect', () => done(true)).on('error', () => done(false));
  });
}
