import { IdMapping } from '../../daemon/userns/id-mapping.js';
import { createHash } from 'node:crypto';
import { mkdirSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pack } from 'tar-stream';
import { ContainerEvents } from '../../daemon/containers/events.js';
import type { Containers } from '../../daemon/containers/index.js';
import { notFound } from '../../daemon/errors.js';
import type { LayerLimits } from '../../daemon/images/content.js';
import type { EventPublisher } from '../../daemon/events/event-publisher.js';
import { Images } from '../../daemon/images/images.js';
import { Registries } from '../../daemon/images/registry/registries.js';
import { defaultTimings, type RegistrySettings, type Timings } from '../../daemon/images/registry/settings.js';
import { imageRoutes } from '../../daemon/routes/images.js';
import { addon } from '../../daemon/runtime/index.js';
import { openDatabase, type Database } from '../../daemon/store/database.js';
import { BlobSourceStore } from '../../daemon/store/blob-sources.js';
import { ImageStore } from '../../daemon/store/images.js';
import { startServer, type TestServer } from './http-server.js';

type PublishedEvent = Parameters<EventPublisher['publish']>[0];

/** A container as far as images care. */
export interface FakeContainer {
  id: string;
  imageId: string;
  running: boolean;
  config: Record<string, unknown>;
}

/** The image endpoints over a real store and the real addon, with containers that exist only in the test. */
export class ImageServer {
  readonly root = mkdtempSync(join(process.env['GANTRY_TEST_ROOT'] ?? tmpdir(), 'gantry-images-'));
  readonly events: PublishedEvent[] = [];
  readonly containers: FakeContainer[] = [];
  database!: Database;
  images!: Images;
  registries!: Registries;
  /** Tests may change these at any time. */
  readonly settings: { -readonly [Name in keyof RegistrySettings]: RegistrySettings[Name] } = {
    mirrors: [],
    insecure: [],
    httpProxy: '',
    httpsProxy: '',
    noProxy: '',
    maxDownloads: 3,
    maxUploads: 5,
    maxAttempts: 5,
    certificates: [],
  };
  /** Those of real life, but for the waiting. */
  readonly timings: Timings = { ...defaultTimings, backOff: () => 10 };
  http!: TestServer;

  constructor(private readonly limits: LayerLimits = { maxBytes: 2 ** 30, maxEntries: 100_000 }) {}

  async start(): Promise<void> {
    this.database = openDatabase(join(this.root, 'gantry.db'));
    this.images = new Images(
      this.root,
      new ImageStore(this.database),
      addon,
      { publish: (event) => this.events.push(event) },
      { containersUsing: (id) => this.containers.filter((container) => container.imageId === id) },
      IdMapping.identity,
      this.limits,
    );
    await this.images.collectGarbage();
    this.registries = new Registries(
      { ...this.images, sources: new BlobSourceStore(this.database) },
      () => this.settings,
      this.timings,
      'gantry/test',
    );
    this.http = await startServer(
      imageRoutes(this.images, this.#containers() as unknown as Containers, this.registries),
    );
  }

  async stop(): Promise<void> {
    await this.http.close();
    await this.registries.close();
    await this.images.content.settled();
    this.database.close();
  }

  async dispose(): Promise<void> {
    await this.stop();
    rmSync(this.root, { recursive: true });
  }

  /** Removes every image. */
  removeAll(): void {
    for (const { id } of this.images.store.visibleImages()) {
      if (this.images.lookup.get(id)) this.images.removal.remove(id, { force: true, noprune: false });
    }
  }

  /** Everything in the store, by directory: what an operation that failed must leave as it was. */
  async files(): Promise<Record<string, string[]>> {
    await this.images.content.settled();
    const { blobs, layers, temporary } = this.images.directories;
    return { blobs: readdirSync(blobs).sort(), layers: readdirSync(layers).sort(), temporary: readdirSync(temporary) };
  }

  /** The writable layer of a fake container. */
  upper(id: string): string {
    const path = join(this.root, 'containers', id, 'upper');
    mkdirSync(path, { recursive: true });
    return path;
  }

  #containers(): object {
    return {
      registry: {
        get: (id: string) => {
          const container = this.containers.find((known) => known.id === id);
          if (!container) throw notFound(`No such container: ${id}`);
          return { ...container, state: { status: 'exited' }, mounts: [] };
        },
      },
      lifecycle: {},
      events: new ContainerEvents({ publish: (event) => this.events.push(event) }),
      directories: { data: (id: string) => this.upper(id) },
    };
  }
}

export interface TarEntry {
  name: string;
  content?: string | Buffer;
  type?: 'file' | 'symlink' | 'directory' | 'link';
  linkname?: string;
}

export async function tarOf(entries: TarEntry[]): Promise<Buffer> {
  const archive = pack();
  for (const { content, ...header } of entries) archive.entry({ ...header, mtime: new Date(0) }, content ?? '');
  archive.finalize();
  const chunks: Uint8Array[] = [];
  for await (const chunk of archive) chunks.push(chunk as Uint8Array);
  return Buffer.concat(chunks);
}

export const sha256 = (content: string | Buffer): string => createHash('sha256').update(content).digest('hex');

/** A layer with one file. */
export const layerOf = (name: string, content: string): Promise<Buffer> => tarOf([{ name, content }]);

export interface ImageParts {
  layers: Buffer[];
  /** What is put into the archive in the place of a layer, for instance the same compressed. */
  blobs?: Buffer[];
  config?: Record<string, unknown>;
  document?: Record<string, unknown>;
}

export function configOf({ layers, config = { Cmd: ['sh'] }, document = {} }: ImageParts): Buffer {
  return Buffer.from(
    JSON.stringify({
      architecture: process.arch === 'arm64' ? 'arm64' : 'amd64',
      os: 'linux',
      created: '2024-01-01T00:00:00Z',
      config,
      history: layers.map((_, index) => ({ created: '2024-01-01T00:00:00Z', created_by: `step ${index}` })),
      rootfs: { type: 'layers', diff_ids: layers.map((layer) => `sha256:${sha256(layer)}`) },
      ...document,
    }),
  );
}

/** The blobs of an image and its line of manifest.json. */
export function dockerEntries(parts: ImageParts, tags: string[] | null): { entries: TarEntry[]; listed: object } {
  const config = configOf(parts);
  const blobs = parts.blobs ?? parts.layers;
  const path = (content: Buffer): string => `blobs/sha256/${sha256(content)}`;
  return {
    entries: [config, ...blobs].map((content) => ({ name: path(content), content })),
    listed: { Config: path(config), RepoTags: tags, Layers: blobs.map(path) },
  };
}

export async function dockerArchive(parts: ImageParts, tags: string[] | null): Promise<Buffer> {
  const { entries, listed } = dockerEntries(parts, tags);
  return tarOf([...entries, { name: 'manifest.json', content: JSON.stringify([listed]) }]);
}

/** An OCI layout without Docker's manifest.json. */
export async function ociLayout(parts: ImageParts, annotations?: Record<string, string>): Promise<Buffer> {
  const config = configOf(parts);
  const describe = (content: Buffer, mediaType: string): object => ({
    mediaType,
    digest: `sha256:${sha256(content)}`,
    size: content.length,
  });
  const manifest = Buffer.from(
    JSON.stringify({
      schemaVersion: 2,
      config: describe(config, 'application/vnd.oci.image.config.v1+json'),
      layers: (parts.blobs ?? parts.layers).map((blob) =>
        describe(blob, 'application/vnd.oci.image.layer.v1.tar+gzip'),
      ),
    }),
  );
  const manifestType = 'application/vnd.oci.image.manifest.v1+json';
  const descriptor = { ...describe(manifest, manifestType), ...(annotations ? { annotations } : {}) };
  return tarOf([
    { name: 'oci-layout', content: '{"imageLayoutVersion":"1.0.0"}' },
    { name: 'index.json', content: JSON.stringify({ schemaVersion: 2, manifests: [descriptor] }) },
    ...[manifest, config, ...(parts.blobs ?? parts.layers)].map((content) => ({
      name: `blobs/sha256/${sha256(content)}`,
      content,
    })),
  ]);
}
