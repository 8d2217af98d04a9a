import { once } from 'node:events';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { gzipSync } from 'node:zlib';
import { configOf, layerOf, sha256, type ImageParts } from './image-server.js';

export const types = {
  manifest: 'application/vnd.docker.distribution.manifest.v2+json',
  list: 'application/vnd.docker.distribution.manifest.list.v2+json',
  ociIndex: 'application/vnd.oci.image.index.v1+json',
  ociManifest: 'application/vnd.oci.image.manifest.v1+json',
  config: 'application/vnd.docker.container.image.v1+json',
  layer: 'application/vnd.docker.image.rootfs.diff.tar.gzip',
};

export const digest = (content: Buffer | string): string => `sha256:${sha256(content)}`;

type Handler = (request: IncomingMessage, response: ServerResponse) => void;

/** A registry that has what a test puts into it, and misbehaves where the test says so. */
export class FakeRegistry {
  readonly blobs = new Map<string, Buffer>();
  /** By tag and by digest. */
  readonly manifests = new Map<string, { mediaType: string; content: Buffer }>();
  /** Instead of the answer to a path, such as "blobs/sha256:…" or "manifests/latest". */
  readonly overrides = new Map<string, Handler>();
  readonly requests: { method: string; path: string; headers: IncomingMessage['headers'] }[] = [];
  #server: Server | undefined;

  async start(): Promise<void> {
    this.#server = createServer((request, response) => this.#answer(request, response)).listen(0, '127.0.0.1');
    await once(this.#server, 'listening');
  }

  async stop(): Promise<void> {
    this.#server?.closeAllConnections();
    this.#server?.close();
    if (this.#server) await once(this.#server, 'close');
  }

  get host(): string {
    return `127.0.0.1:${(this.#server?.address() as AddressInfo).port}`;
  }

  addBlob(content: Buffer): { digest: string; size: number } {
    this.blobs.set(digest(content), content);
    return { digest: digest(content), size: content.length };
  }

  addManifest(tag: string, document: object | Buffer, mediaType = types.manifest): { digest: string; size: number } {
    const content = Buffer.isBuffer(document) ? document : Buffer.from(JSON.stringify(document));
    this.manifests.set(tag, { mediaType, content });
    this.manifests.set(digest(content), { mediaType, content });
    return { digest: digest(content), size: content.length };
  }

  /** An image of gzip-compressed layers; `change` may spoil its manifest. */
  addImage(
    tag: string,
    parts: ImageParts,
    change: (manifest: ManifestDocument) => object = (manifest) => manifest,
  ): { digest: string; size: number; layers: string[] } {
    const config = this.addBlob(configOf(parts));
    const layers = (parts.blobs ?? parts.layers.map((layer) => gzipSync(layer))).map((blob) => this.addBlob(blob));
    const manifest = change({
      schemaVersion: 2,
      mediaType: types.manifest,
      config: { mediaType: types.config, ...config },
      layers: layers.map((layer) => ({ mediaType: types.layer, ...layer })),
    });
    return { ...this.addManifest(tag, manifest), layers: layers.map((layer) => layer.digest) };
  }

  requestsOf(path: string): { method: string; path: string; headers: IncomingMessage['headers'] }[] {
    return this.requests.filter((request) => request.path === path);
  }

  #answer(request: IncomingMessage, response: ServerResponse): void {
    const { pathname } = new URL(request.url ?? '', 'http://registry');
    const path = /^\/v2\/(?:[a-z0-9/]+?)\/((?:manifests|blobs|tags)\/.*)$/.exec(pathname)?.[1] ?? pathname;
    this.requests.push({ method: request.method ?? '', path, headers: request.headers });
    const override = this.overrides.get(path);
    if (override) return override(request, response);
    if (pathname === '/v2/') return void response.writeHead(200).end('{}');
    const [kind, name = ''] = path.split('/');
    const manifest = kind === 'manifests' ? this.manifests.get(name) : undefined;
    if (manifest) {
      const { content, mediaType } = manifest;
      response.writeHead(200, {
        'content-type': mediaType,
        'docker-content-digest': digest(content),
        'content-length': content.length,
      });
      return void response.end(request.method === 'HEAD' ? undefined : content);
    }
    const blob = kind === 'blobs' ? this.blobs.get(name) : undefined;
    if (blob) return sendBlob(blob, request, response);
    refuse(response, 404, kind === 'manifests' ? 'MANIFEST_UNKNOWN' : 'BLOB_UNKNOWN', 'it is not here');
  }
}

export interface ManifestDocument {
  schemaVersion: number;
  mediaType: string;
  config: { mediaType: string; digest: string; size: number };
  layers: { mediaType: string; digest: string; size: number }[];
}

/** As a registry that knows ranges does. */
export function sendBlob(blob: Buffer, request: IncomingMessage, response: ServerResponse): void {
  const start = Number(/^bytes=(\d+)-$/.exec(request.headers.range ?? '')?.[1] ?? 0);
  const part = blob.subarray(start);
  response.writeHead(start > 0 ? 206 : 200, {
    'content-length': part.length,
    ...(start > 0 ? { 'content-range': `bytes ${start}-${blob.length - 1}/${blob.length}` } : {}),
  });
  response.end(part);
}

export function refuse(
  response: ServerResponse,
  status: number,
  code: string,
  message: string,
  headers: Record<string, string> = {},
): void {
  response.writeHead(status, { 'content-type': 'application/json', ...headers });
  response.end(JSON.stringify({ errors: [{ code, message }] }));
}

/** A layer that cannot be compressed to next to nothing. */
export function bulkyLayer(name: string, bytes: number): Promise<Buffer> {
  let state = name.length + bytes;
  const content = Buffer.alloc(bytes);
  for (let index = 0; index < bytes; index++) {
    state = (Math.imul(state, 1_103_515_245) + 12_345) & 0x7fffffff;
    content[index] = state >> 16;
  }
  return layerOf(name, content.toString('latin1'));
}
