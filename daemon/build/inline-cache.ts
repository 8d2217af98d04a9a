import { chainIds, type Digest } from '../images/digest.js';
import { diffIdsOf, type ImageDocument } from '../images/image-document.js';
import type { Image } from '../images/lookup.js';
import type { ImageStore } from '../store/images.js';
import type { BuildCacheStore } from '../store/build-cache.js';
import type { StageState, StepRecord } from './stage-state.js';

/** The member of an image's configuration that tells other engines which steps its layers are. */
const member = 'io.gantry.buildcache.v1';

type WithCache = ImageDocument & { [member]?: string };

/** Puts the steps of an image into its configuration. */
export function withInlineCache(document: ImageDocument, { steps }: StageState): ImageDocument {
  const text = Buffer.from(JSON.stringify(steps)).toString('base64');
  return { ...document, [member]: text } as WithCache;
}

/** Takes over the steps that an image tells of, so that a build finds them as if they had been made here. */
export function importInlineCache(image: Image, images: ImageStore, cache: BuildCacheStore): void {
  const chain = chainIds(diffIdsOf(image.document));
  const layers = images.layersOf(image.id);
  let ground: Digest = '';
  for (const step of stepsOf(image.document)) {
    if (step.layer >= chain.length) return;
    if (step.layer >= 0) ground = chain[step.layer - 1] ?? '';
    const row = step.layer < 0 ? undefined : layers[step.layer];
    if (!cache.step(step.key)) {
      cache.saveStep({
        key: step.key,
        parent_key: step.parentKey,
        ground,
        chain_id: row?.chain_id ?? null,
        blob: row?.blob ?? null,
        description: step.createdBy,
        size: row?.size ?? 0,
        created: Date.parse(step.created) || 0,
        last_used: Date.now(),
      });
    }
    if (step.layer >= 0) ground = chain[step.layer] ?? '';
  }
}

/** What the image says; nothing where it makes no sense: the worst that it can do is to be of no use. */
function stepsOf(document: WithCache): StepRecord[] {
  try {
    const steps = JSON.parse(Buffer.from(document[member] ?? '', 'base64').toString('utf8')) as unknown;
    return Array.isArray(steps) ? steps.filter(isStep) : [];
  } catch {
    return [];
  }
}

function isStep(value: unknown): value is StepRecord {
  const { key, parentKey, createdBy, created, layer } = (value ?? {}) as Partial<Record<keyof StepRecord, unknown>>;
  const hasTexts = [key, parentKey, createdBy, created].every((text) => typeof text === 'string');
  return hasTexts && /^[0-9a-f]{64}$/.test(key as string) && Number.isInteger(layer);
}
