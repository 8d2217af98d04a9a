import type { Writable } from 'node:stream';
import { finished, pipeline } from 'node:stream/promises';
import { readFromPipe } from '../containers/pipe-transfer.js';
import type { Images } from '../images/images.js';
import { Publication, type ImagePlan } from '../images/publication.js';
import { formatPlatform } from '../images/platform.js';
import { familiarReference, parseReference, withDefaultTag, type Reference } from '../images/reference.js';
import type { BuildExport } from './build-export.js';
import type { BuildSession } from './build-session.js';
import { Vertex } from './progress.js';
import type { StageState } from './stage-state.js';

/** Gives the outcome of a build to whoever asked for it. @returns the names that the image got */
export async function exportResult(
  session: BuildSession,
  images: Images,
  state: StageState,
  plan: ImagePlan,
): Promise<string[]> {
  const names: string[] = [];
  for (const [index, wanted] of session.request.exports.entries()) {
    const identity = `export ${index} ${session.request.exports.length} ${plan.config.toString()}`;
    const vertex = new Vertex(session.report, identity, titles[wanted.kind]);
    await vertex.run(async () => names.push(...(await exportOne(session, images, state, plan, wanted, vertex))));
  }
  return names;
}

const titles: Readonly<Record<BuildExport['kind'], string>> = {
  image: 'exporting to image',
  tar: 'exporting to client tarball',
  local: 'exporting to client directory',
  oci: 'exporting to oci image format',
  docker: 'exporting to docker image format',
};

async function exportOne(
  session: BuildSession,
  images: Images,
  state: StageState,
  plan: ImagePlan,
  wanted: BuildExport,
  vertex: Vertex,
): Promise<string[]> {
  switch (wanted.kind) {
    case 'image':
      return publishImage(session, images, plan, wanted.names.map(nameOf), vertex);
    case 'tar':
      await writeTar(session, state, wanted.byPlatform ? platformDirectory(state) : '', await wanted.open());
      return [];
    case 'local':
      await giveDirectory(session, state, wanted.byPlatform ? platformDirectory(state) : '', wanted.receive);
      return [];
    case 'oci':
    case 'docker':
      await writeArchive(session, images, plan, wanted.names.map(nameOf), await wanted.open());
      return [];
  }
}

/** "linux_arm_v7" */
const platformDirectory = ({ platform }: StageState): string => formatPlatform(platform).replaceAll('/', '_');

const nameOf = (name: string): Reference => withDefaultTag(parseReference(name));

async function publishImage(
  { layers }: BuildSession,
  images: Images,
  plan: ImagePlan,
  names: readonly Reference[],
  vertex: Vertex,
): Promise<string[]> {
  const publication = new Publication(layers.staging);
  const started = new Date();
  const id = await publication.prepare(plan);
  publication.publish(() => {
    for (const name of names) images.tags.assign(name, id);
  });
  const tell = (text: string): void =>
    vertex.status({ id: text, name: text, current: 0, total: 0, started, completed: new Date() });
  tell('exporting layers');
  tell(`writing image ${id}`);
  for (const name of names) {
    tell(`naming to ${name.repository}:${name.tag ?? ''}`);
    images.events.publish('tag', id, familiarReference(name));
  }
  return names.map(familiarReference);
}

async function writeTar(
  { layers, addon, mapping, signal }: BuildSession,
  state: StageState,
  directory: string,
  output: Writable,
): Promise<void> {
  const root = layers.root(state.layers);
  const tar = readFromPipe(addon, (end) => addon.pack(root, '/', end, { as: directory, idMap: mapping }));
  await pipeline(tar, output, { signal });
}

/** A directory with all layers put together; where there is only one, that one. */
async function giveDirectory(
  { layers, addon, mapping }: BuildSession,
  state: StageState,
  directory: string,
  receive: (directory: string) => Promise<void>,
): Promise<void> {
  const [only, ...more] = layers.directories(state.layers);
  if (more.length === 0 && !mapping.shifts && directory === '') return receive(only!);
  const { upper } = layers.newUpper();
  const root = layers.root(state.layers);
  const items = [{ from: '/', to: `/${directory}` }];
  await addon.copyTrees(root, { kind: 'directory', path: upper }, items, { defaultOwner: mapping.root });
  await receive(upper);
  await addon.removeTree(upper);
}

/** The archive is read from the store, where the image is only as long as that takes unless it was there before. */
async function writeArchive(
  session: BuildSession,
  images: Images,
  plan: ImagePlan,
  names: readonly Reference[],
  output: Writable,
): Promise<void> {
  const publication = new Publication(session.layers.staging);
  const id = await publication.prepare(plan);
  const wasThere = images.lookup.get(id) !== undefined;
  publication.publish();
  try {
    const archive = images.saver.saveAs(images.lookup.resolve(id), names);
    // The client has it when the output is finished, not when all of it has been written.
    await Promise.all([finished(output, { readable: false }), archive.writeTo(output, session.signal)]);
  } finally {
    if (!wasThere && images.tags.of(id).length === 0) images.store.deleteImage(id);
  }
}
