import { newDocument, planNewImage } from '../images/created-image.js';
import type { ImageDocument } from '../images/image-document.js';
import type { ImagePlan } from '../images/publication.js';
import type { StageState } from './stage-state.js';

/** The configuration of the image that a stage is so far. Waits for its layers to be packed. */
export async function documentOf(state: StageState): Promise<ImageDocument> {
  const layers = await Promise.all(state.layers.map(({ described }) => described));
  return newDocument({
    platform: state.platform,
    config: state.config,
    created: state.created,
    author: state.author,
    history: [...state.history],
    diffIds: layers.map(({ diffId }) => diffId),
  });
}

/** The image of a stage. */
export async function imagePlanOf(
  state: StageState,
  extend: (document: ImageDocument) => ImageDocument,
): Promise<ImagePlan> {
  const layers = await Promise.all(state.layers.map(({ described }) => described));
  return planNewImage(extend(await documentOf(state)), layers);
}
