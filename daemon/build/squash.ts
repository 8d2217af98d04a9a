import type { BuildSession } from './build-session.js';
import type { StageState } from './stage-state.js';

/** Makes one layer of all that stand above those of the base. */
export async function squash({ layers, addon, mapping }: BuildSession, state: StageState): Promise<StageState> {
  const below = state.layers.slice(0, state.base.layers);
  const above = state.layers.slice(state.base.layers);
  if (above.length < 2) return state;
  const upper = layers.newUpper();
  const root = layers.writableRoot(below, upper);
  for (const { directory } of above) {
    await addon.copyTrees({ kind: 'directory', path: directory }, root, [{ from: '/', to: '/' }], {
      defaultOwner: mapping.root,
      applyWhiteouts: true,
    });
  }
  const layer = await layers.finish(upper);
  const kept = state.history.slice(0, state.base.history);
  const merged = state.history.slice(state.base.history).map((entry) => ({ ...entry, empty_layer: true }));
  const comment = `merge of ${above.length} layers`;
  const own = layer ? [{ created: state.created, comment }] : [];
  return { ...state, layers: layer ? [...below, layer] : below, history: [...kept, ...merged, ...own], steps: [] };
}
