import type { ProgressMessage } from '../http/progress.js';
import { platformOf } from '../images/image-document.js';
import type { Image, Lookup } from '../images/lookup.js';
import { hostPlatform, matchesPlatform, type Platform } from '../images/platform.js';
import {
  familiarReference,
  idPrefix,
  isReference,
  parseReference,
  wholeId,
  withDefaultTag,
  type Reference,
} from '../images/reference.js';
import { splitRepository } from '../images/registry/endpoints.js';
import type { Puller } from '../images/registry/pull.js';
import { GantryError } from '../errors.js';
import type { BuildRequest } from './build-request.js';
import { imageMaterial, type Material } from './material.js';
import { Vertex } from './progress.js';
import type { ReportProgress } from './build-progress.js';

type Wanted = Pick<BuildRequest, 'pull' | 'credentials' | 'signal'>;

/** Finds the images that a build stands on, and pulls those that are not here. Each once in a build. */
export class BaseImages {
  readonly #found = new Map<string, Promise<Image>>();
  readonly #materials = new Map<string, Material>();

  constructor(
    readonly lookup: Lookup,
    readonly puller: Puller,
    readonly request: Wanted,
    readonly report: ReportProgress,
  ) {}

  /** @throws GantryError when there is no such image */
  find(text: string, platform: Platform = hostPlatform): Promise<Image> {
    const key = JSON.stringify([text, platform]);
    let finding = this.#found.get(key);
    if (!finding) this.#found.set(key, (finding = this.#find(text, platform)));
    return finding;
  }

  /** The images that were found, those that have names. */
  get materials(): Material[] {
    return [...this.#materials.values()];
  }

  async #find(text: string, platform: Platform): Promise<Image> {
    const byId = wholeId(text) ?? (idPrefix(text) === undefined ? undefined : text);
    const local = this.local(text, platform);
    if (local && (!this.request.pull || byId === local.id)) return this.#noted(text, local);
    const reference = withDefaultTag(parseReference(text));
    const name = familiarReference(reference);
    const vertex = new Vertex(this.report, `metadata ${name} ${JSON.stringify(platform)}`, `[internal] load ${name}`);
    await vertex.run(() => this.#pull(reference, platform, vertex));
    const pulled = this.local(name, platform);
    if (!pulled) throw new GantryError('not-found', `${name}: no image for the platform was found`);
    return this.#noted(text, pulled);
  }

  #noted(text: string, image: Image): Image {
    if (isReference(text) && idPrefix(text) === undefined) {
      const reference = withDefaultTag(parseReference(text));
      const material = imageMaterial(reference, platformOf(image.document), image.manifest || image.id);
      this.#materials.set(material.uri, material);
    }
    return image;
  }

  /** Only if it is here; an image of another platform counts as absent. */
  local(text: string, platform: Platform = hostPlatform): Image | undefined {
    const image = this.lookup.find(text);
    return image && matchesPlatform(platformOf(image.document), platform) ? image : undefined;
  }

  async #pull(reference: Reference, platform: Platform, vertex: Vertex): Promise<void> {
    const { credentials, signal } = this.request;
    const { registry } = splitRepository(reference.repository);
    const own = await credentials(registry, signal);
    const isHost = platform.architecture === hostPlatform.architecture && !platform.variant;
    const request = { reference, platform: isHost ? undefined : platform, credentials: own };
    const started = new Date();
    await this.puller.pull(request, (message) => Promise.resolve(reportLayer(vertex, started, message)), signal);
  }
}

/** What a pull tells of a layer, as a status of its vertex. */
function reportLayer(vertex: Vertex, started: Date, { id, status = '', progressDetail }: ProgressMessage): void {
  if (id === undefined) return;
  const { current = 0, total = 0 } = progressDetail ?? {};
  const isDone = /complete$|^Already exists$/.test(status);
  vertex.status({ id, name: id, current, total, started, ...(isDone && { completed: new Date() }) });
}
