import type { ImageRow, ImageStore } from '../store/images.js';
import type { HistoryEntry } from './image-document.js';
import { toImage, type Image } from './lookup.js';
import { familiarReference } from './reference.js';
import type { Tags } from './tags.js';

/** Docker's ImageHistoryResponseItem. */
export interface HistoryItem {
  Id: string;
  /** Seconds since the epoch. */
  Created: number;
  CreatedBy: string;
  Tags: string[] | null;
  Size: number;
  Comment: string;
}

/** How an image came about, newest first. Steps that are images of their own here are named; the others are "<missing>". */
export function imageHistory(image: Image, store: ImageStore, tags: Tags): HistoryItem[] {
  const layers = store.layersOf(image.id);
  let used = 0;
  const items = (image.document.history ?? []).map((entry): HistoryItem => {
    const layer = entry.empty_layer ? undefined : layers[used++];
    return describe(entry, layer?.size ?? 0);
  });
  // An image whose history is silent about its layers still shows them.
  for (const layer of layers.slice(used)) items.push(describe({}, layer.size));
  nameSteps(items.reverse(), image, store, tags);
  return items;
}

function describe(entry: HistoryEntry, size: number): HistoryItem {
  const created = Date.parse(entry.created ?? '');
  return {
    Id: '<missing>',
    Created: Number.isNaN(created) ? 0 : Math.floor(created / 1000),
    CreatedBy: entry.created_by ?? '',
    Tags: null,
    Size: size,
    Comment: entry.comment ?? '',
  };
}

/** Walks up the parents: each ends where its own, shorter history does. */
function nameSteps(items: HistoryItem[], image: Image, store: ImageStore, tags: Tags): void {
  const total = items.length;
  for (let step: Image | undefined = image; step;) {
    const length: number = step === image ? total : (step.document.history?.length ?? 0);
    const item = items[total - length];
    if (!item) return;
    item.Id = step.id;
    const names = tags.of(step.id).filter((name) => name.tag !== undefined);
    item.Tags = names.length > 0 ? names.map(familiarReference) : null;
    const parent: ImageRow | undefined = step.parentId ? store.image(step.parentId) : undefined;
    const next: Image | undefined = parent && toImage(parent);
    if (next && (next.document.history?.length ?? 0) >= length) return;
    step = next;
  }
}
