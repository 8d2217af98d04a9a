import type { Instruction } from '../dockerfile/instruction.js';
import { parseTrigger } from '../dockerfile/parse.js';
import { invalid } from '../errors.js';
import { chainIds } from '../images/digest.js';
import { diffIdsOf, platformOf, type ImageDocument } from '../images/image-document.js';
import { parseManifest } from '../images/manifest.js';
import { hostPlatform, parsePlatform, type Platform } from '../images/platform.js';
import type { BuildResult } from './build-result.js';
import type { BuildSession } from './build-session.js';
import { baseKey, stepKey } from './cache-key.js';
import { chainIdOf, type BuildLayer } from './layers.js';
import type { PlannedStage, Source } from './plan.js';
import type { StageState } from './stage-state.js';

/** What there is without a base image. */
export const initialEnvironment = ['PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin'] as const;

/** What a stage starts with, and what its base wants done first. */
export interface StageBase {
  state: StageState;
  /** ONBUILD of the base. */
  triggers: Instruction[];
}

/** Gets what FROM names. */
export async function openBase(
  session: BuildSession,
  stage: PlannedStage,
  stageResult: (index: number) => Promise<StageState>,
): Promise<StageBase> {
  const platform = stage.platform ?? targetPlatform(session);
  const state = await stateOf(session, stage.base, platform, stageResult);
  const triggers = (state.config.OnBuild ?? []).flatMap(parseTrigger);
  const config = { ...state.config };
  delete config.OnBuild;
  const base = { layers: state.layers.length, history: state.history.length };
  const isStage = stage.base.kind === 'stage';
  return { state: { ...state, config, hasCommand: false, base: isStage ? state.base : base }, triggers };
}

export const targetPlatform = ({ request }: Pick<BuildSession, 'request'>): Platform =>
  request.platform ? parsePlatform(request.platform) : hostPlatform;

async function stateOf(
  session: BuildSession,
  base: Source,
  platform: Platform,
  stageResult: (index: number) => Promise<StageState>,
): Promise<StageState> {
  switch (base.kind) {
    case 'stage':
      return stageResult(base.index);
    case 'scratch':
      return emptyState(session, platform);
    case 'image':
      return imageState(session, base.reference, platform);
    case 'context':
      return contextState(session, base.name, platform);
  }
}

function emptyState({ request }: BuildSession, platform: Platform): StageState {
  return {
    platform,
    config: { Env: [...initialEnvironment], WorkingDir: '/' },
    author: undefined,
    history: [],
    layers: [],
    base: { layers: 0, history: 0 },
    created: new Date((request.sourceDateEpoch ?? 0) * 1000).toISOString(),
    steps: [],
    arguments: new Map(),
    key: baseKey('', { platform }),
    hasCommand: false,
  };
}

async function imageState(session: BuildSession, reference: string, platform: Platform): Promise<StageState> {
  const image = await session.images.find(reference, platform);
  return documentState(session, image.document, session.layers.ofImage(image.id));
}

async function documentState(
  session: BuildSession,
  document: ImageDocument,
  layers: readonly BuildLayer[],
): Promise<StageState> {
  const platform = platformOf(document);
  return {
    ...emptyState(session, platform),
    config: document.config ?? {},
    author: document.author,
    history: document.history ?? [],
    layers,
    created: document.created ?? new Date(0).toISOString(),
    key: baseKey(await chainIdOf(layers), { platform }),
  };
}

async function contextState(session: BuildSession, name: string, platform: Platform): Promise<StageState> {
  const named = session.request.namedContexts.get(name);
  if (!named) throw invalid(`there is no build context "${name}"`);
  if (named.kind === 'image') return imageState(session, named.reference, platform);
  if (named.kind === 'result') return documentState(session, named.result.document, layersOf(session, named.result));
  return treeState(session, name, platform);
}

/** The layers of another build, which are in the store while its result is kept. */
function layersOf({ layers }: BuildSession, result: BuildResult): BuildLayer[] {
  const blobs = parseManifest(result.manifest, 'the result of a build').layers;
  return chainIds(diffIdsOf(result.document)).map((chainId, index) => {
    const layer = layers.stored(chainId, blobs[index]?.digest ?? '');
    if (!layer) throw invalid('the result of a build that another one stands on has gone');
    return layer;
  });
}

/** A directory as a root file system of its own. */
async function treeState(session: BuildSession, name: string, platform: Platform): Promise<StageState> {
  const { addon, mapping, layers, cache, files } = session;
  const source = await files.open({ kind: 'context', name }, ['.']);
  const state = emptyState(session, platform);
  const key = stepKey(state.key, { tree: await addon.treeDigest(source.root, ['/'], { owner: mapping.root }) });
  const found = await cache.find(key, []);
  if (found) return { ...state, key, layers: found.layer ? [found.layer] : [] };
  const upper = layers.newUpper();
  const options = { owner: mapping.root, defaultOwner: mapping.root };
  await addon.copyTrees(source.root, layers.writableRoot([], upper), [{ from: '/', to: '/' }], options);
  const layer = await layers.finish(upper);
  await cache.keep({ key, parentKey: state.key, description: `context ${name}`, created: state.created }, [], layer);
  const history = layer ? [{ created: state.created, created_by: `context ${name}` }] : [];
  return { ...state, key, history, layers: layer ? [layer] : [] };
}
