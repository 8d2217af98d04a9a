import type { ApiVersion } from '../http/version.js';
import type { ImageStore } from '../store/images.js';
import type { ImageDirectories } from './directories.js';
import type { ImageConfig } from './image-document.js';
import type { ListedImage } from './list.js';
import type { Image } from './lookup.js';
import { familiarReference } from './reference.js';
import type { Tags } from './tags.js';

/** Fields of a container's configuration that images never use but that old clients expect to find. */
const legacyConfig = {
  Hostname: '',
  Domainname: '',
  AttachStdin: false,
  AttachStdout: false,
  AttachStderr: false,
  Tty: false,
  OpenStdin: false,
  StdinOnce: false,
  Image: '',
};
const nullableConfig = { Cmd: null, Entrypoint: null, Env: null, Labels: null, OnBuild: null, Volumes: null };

/** GET /images/{name}/json in the shape of an API version. */
export function inspectImage(
  image: Image,
  context: { store: ImageStore; tags: Tags; directories: ImageDirectories },
  version: ApiVersion,
): object {
  const { document } = image;
  const names = context.tags.of(image.id);
  const layers = context.store.layersOf(image.id);
  const directories = layers.map((layer) => context.directories.layer(layer.chain_id)).reverse();
  const isCurrent = version.atLeast('1.52');
  return {
    Id: image.id,
    RepoTags: names.filter((name) => name.tag !== undefined).map(familiarReference),
    RepoDigests: names.filter((name) => name.digest !== undefined).map(familiarReference),
    ...(isCurrent ? {} : { Parent: image.parentId }),
    Comment: document.comment ?? document.history?.at(-1)?.comment ?? '',
    ...(document.created
      ? { Created: document.created }
      : version.atLeast('1.44')
        ? {}
        : { Created: '0001-01-01T00:00:00Z' }),
    ...(version.atLeast('1.45')
      ? {}
      : { Container: document.container ?? '', ContainerConfig: document.container_config ?? null }),
    ...(isCurrent ? {} : { DockerVersion: document.docker_version ?? '' }),
    Author: document.author ?? '',
    Config: inspectConfig(image.config, version),
    Architecture: document.architecture,
    ...(document.variant ? { Variant: document.variant } : {}),
    Os: document.os,
    ...(document['os.version'] ? { OsVersion: document['os.version'] } : {}),
    Size: image.size,
    ...(version.atLeast('1.44') ? {} : { VirtualSize: image.size }),
    GraphDriver: {
      Name: 'overlay2',
      Data: {
        ...(directories.length > 1 ? { LowerDir: directories.slice(1).join(':') } : {}),
        ...(directories[0] === undefined ? {} : { UpperDir: directories[0] }),
      },
    },
    RootFS: { Type: 'layers', ...(layers.length > 0 ? { Layers: layers.map((layer) => layer.diff_id) } : {}) },
    Metadata: { LastTagTime: image.lastTagged || '0001-01-01T00:00:00Z' },
  };
}

/** Newer versions leave out what is empty; older ones show it, and the oldest show a container's fields as well. */
function inspectConfig(config: ImageConfig, version: ApiVersion): object {
  if (version.atLeast('1.52')) {
    return Object.fromEntries(
      Object.entries(config).filter(([name, value]) => !(name in legacyConfig) && !isEmpty(value)),
    );
  }
  const shown = { User: '', WorkingDir: '', ...nullableConfig, ...config };
  if (!version.atLeast('1.50')) return { ...legacyConfig, ...shown };
  return Object.fromEntries(Object.entries(shown).filter(([name]) => !(name in legacyConfig)));
}

const isEmpty = (value: unknown): boolean =>
  value === null || value === '' || value === false || (typeof value === 'object' && Object.keys(value).length === 0);

/** An entry of GET /images/json in the shape of an API version. */
export function summarizeImage(listed: ListedImage, version: ApiVersion): object {
  const { image, tags, digests, containers, sharedSize } = listed;
  const isNameless = tags.length === 0 && digests.length === 0;
  // Before 1.43 an image without a name has one that says so.
  const showsNone = isNameless && !version.atLeast('1.43');
  return {
    Id: image.id,
    ParentId: image.parentId,
    RepoTags: showsNone ? ['<none>:<none>'] : tags,
    RepoDigests: showsNone ? ['<none>@<none>'] : digests,
    Created: Math.floor(image.created / 1000),
    Size: image.size,
    SharedSize: sharedSize,
    ...(version.atLeast('1.44') ? {} : { VirtualSize: image.size }),
    Labels: image.config.Labels ?? (version.atLeast('1.52') ? {} : null),
    Containers: version.atLeast('1.51') ? containers : -1,
  };
}
