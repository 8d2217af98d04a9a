import type { Container } from './container.js';
import { completeEndpoint, inspectMount, summarizePorts } from './inspect.js';
import { invalid } from '../errors.js';
import type { Filters } from '../http/filters.js';

/** The filters of GET /containers/json. */
export const listFilterNames = [
  'ancestor', 'before', 'exited', 'expose', 'health', 'id', 'isolation', 'is-task', 'label', 'name', 'network',
  'publish', 'since', 'status', 'volume',
]; // prettier-ignore

export interface ListOptions {
  all: boolean;
  limit: number;
  filters: Filters;
}

/** What the filters ask of other nouns. */
export interface ListContext {
  find(reference: string): Container;
  /** Ids of the image that the reference names and of those built on it. */
  descendants(reference: string): Set<string>;
  networkId(reference: string): string | undefined;
}

const healthStatuses = ['none', 'starting', 'healthy', 'unhealthy'];
const statuses = ['created', 'restarting', 'running', 'removing', 'paused', 'exited', 'dead'];

/** Newest first, as Docker lists them. */
export function listContainers(containers: Container[], options: ListOptions, context: ListContext): Container[] {
  const newestFirst = containers.sort((a, b) => (a.created < b.created ? 1 : -1));
  const matches = compile(options, context);
  const selected = newestFirst.filter(matches);
  return options.limit > 0 ? selected.slice(0, options.limit) : selected;
}

type Predicate = (container: Container) => boolean;

function compile(options: ListOptions, context: ListContext): Predicate {
  const { filters } = options;
  const predicates: Predicate[] = [];
  // Asking for a state, an exit code or the last n means asking for those that do not run, too.
  const all =
    options.all || options.limit > 0 || ['status', 'exited', 'before', 'since'].some((name) => filters.has(name));
  if (!all) predicates.push(({ state }) => ['running', 'paused', 'restarting'].includes(state.status));
  const when = (name: string, build: (values: string[]) => Predicate): void => {
    if (filters.has(name)) predicates.push(build([...filters.get(name)]));
  };
  when(
    'id',
    (values) =>
      ({ id }) =>
        values.some((value) => id.startsWith(value)),
  );
  when('name', (values) => {
    const patterns = values.map(namePattern);
    return ({ name }) => patterns.some((pattern) => pattern.test(`/${name}`) || pattern.test(name));
  });
  when(
    'label',
    () =>
      ({ config }) =>
        filters.labels(config.Labels),
  );
  when('status', (values) => {
    for (const value of values) {
      if (!statuses.includes(value))
        throw invalid(`invalid filter 'status=${value}': use one of ${statuses.join(', ')}`);
    }
    return ({ state }) => values.includes(state.status);
  });
  when('exited', (values) => {
    for (const value of values) if (!/^-?\d+$/.test(value)) throw invalid(`invalid filter 'exited=${value}'`);
    return ({ state }) =>
      state.status !== 'created' && state.pid === 0 && values.some((value) => Number(value) === state.exitCode);
  });
  when('health', (values) => {
    for (const value of values) {
      if (!healthStatuses.includes(value))
        throw invalid(`invalid filter 'health=${value}': use one of ${healthStatuses.join(', ')}`);
    }
    return ({ health }) => values.includes(health?.status ?? 'none');
  });
  when('ancestor', (values) => {
    const images = values.map((value) => context.descendants(value));
    return ({ imageId }) => images.some((ids) => ids.has(imageId));
  });
  when('before', (values) => olderThan(context.find(values[0]!)));
  when('since', (values) => newerThan(context.find(values[0]!)));
  when(
    'volume',
    (values) =>
      ({ mounts }) =>
        mounts.some(({ name, source, destination }) =>
          values.some((value) => [name, source, destination].includes(value)),
        ),
  );
  when('network', (values) => {
    const ids = values.map((value) => context.networkId(value));
    return ({ networks, hostConfig }) =>
      values.some((value, index) => {
        const wanted = ids[index];
        return (
          Object.keys(networks).includes(value) ||
          hostConfig.NetworkMode === value ||
          (wanted !== undefined && Object.keys(networks).some((name) => context.networkId(name) === wanted))
        );
      });
  });
  when('expose', (values) => {
    const selects = portFilter(values);
    return ({ config }) => selects(Object.keys(config.ExposedPorts ?? {}));
  });
  when('publish', (values) => {
    const selects = portFilter(values);
    return ({ running, state }) =>
      running && selects((state.ports ?? []).map(({ hostPort, protocol }) => `${hostPort}/${protocol}`));
  });
  when('is-task', (values) => {
    for (const value of values) {
      if (!/^(true|false|1|0)$/i.test(value)) throw invalid(`invalid filter 'is-task=[${value}]'`);
    }
    return () => values.some((value) => /^(false|0)$/i.test(value));
  });
  when('isolation', (values) => () => values.includes('default'));
  return (container) => predicates.every((predicate) => predicate(container));
}

function namePattern(value: string): RegExp {
  try {
    return new RegExp(value);
  } catch (error) {
    throw invalid(`invalid filter 'name=${value}': not a regular expression`, error);
  }
}

const olderThan =
  (other: Container): Predicate =>
  ({ created }) =>
    created < other.created;
const newerThan =
  (other: Container): Predicate =>
  ({ created }) =>
    created > other.created;

/** "80", "80/tcp", "8000-8080/udp". */
function portFilter(wanted: string[]): (ports: string[]) => boolean {
  const ranges = wanted.map((value) => {
    const match = /^(\d+)(?:-(\d+))?(?:\/(\w+))?$/.exec(value);
    if (!match) throw invalid(`invalid port filter: ${value}`);
    const [, first, last = first, protocol = 'tcp'] = match;
    return { first: Number(first), last: Number(last), protocol };
  });
  return (ports) =>
    ports.some((port) => {
      const [number = '', kind = 'tcp'] = port.split('/');
      return ranges.some(
        ({ first, last, protocol }) => kind === protocol && Number(number) >= first && Number(number) <= last,
      );
    });
}

/** One element of GET /containers/json, without sizes. */
export function summarize(
  container: Container,
  imageName: string,
  furtherNames: string[] = [],
): Record<string, unknown> {
  return {
    Id: container.id,
    Names: [`/${container.name}`, ...furtherNames].sort(),
    Image: imageName,
    ImageID: container.imageId,
    Command: commandLine(container),
    Created: Math.floor(Date.parse(container.created) / 1000),
    Ports: summarizePorts(container),
    Labels: container.config.Labels ?? {},
    State: container.state.status,
    Status: statusText(container),
    HostConfig: {
      NetworkMode: container.hostConfig.NetworkMode,
      ...(container.hostConfig.Annotations && { Annotations: container.hostConfig.Annotations }),
    },
    NetworkSettings: {
      Networks: Object.fromEntries(
        Object.entries(container.networks).map(([name, endpoint]) => [name, completeEndpoint(endpoint)]),
      ),
    },
    Mounts: container.mounts.filter(({ type }) => type !== 'tmpfs').map(inspectMount),
  };
}

/** Arguments with blanks are quoted. */
function commandLine({ path, args }: Container): string {
  return [
    path,
    ...args.map((arg) => (/[\s'"]/.test(arg) || arg === '' ? `'${arg.replaceAll("'", "'\\''")}'` : arg)),
  ].join(' ');
}

/** "Up 5 minutes (healthy)", "Exited (0) 2 hours ago". */
export function statusText({ state, health }: Container): string {
  const since = (time: string): string => humanDuration((Date.now() - Date.parse(time)) / 1000);
  switch (state.status) {
    case 'running': {
      const suffix = health ? ` (${health.status === 'starting' ? 'health: starting' : health.status})` : '';
      return `Up ${since(state.startedAt)}${suffix}`;
    }
    case 'paused':
      return `Up ${since(state.startedAt)} (Paused)`;
    case 'restarting':
      return `Restarting (${state.exitCode}) ${since(state.finishedAt)} ago`;
    case 'created':
      return 'Created';
    case 'removing':
      return 'Removal In Progress';
    case 'dead':
      return 'Dead';
    case 'exited':
      return `Exited (${state.exitCode}) ${since(state.finishedAt)} ago`;
  }
}

/** The rough words that Docker uses. */
export function humanDuration(seconds: number): string {
  const minutes = Math.floor(seconds / 60);
  const hours = Math.round(seconds / 3600);
  if (seconds < 1) return 'Less than a second';
  if (seconds < 2) return '1 second';
  if (seconds < 60) return `${Math.floor(seconds)} seconds`;
  if (minutes === 1) return 'About a minute';
  if (minutes < 60) return `${minutes} minutes`;
  if (hours === 1) return 'About an hour';
  if (hours < 48) return `${hours} hours`;
  if (hours < 24 * 7 * 2) return `${Math.floor(hours / 24)} days`;
  if (hours < 24 * 30 * 2) return `${Math.floor(hours / 24 / 7)} weeks`;
  if (hours < 24 * 365 * 2) return `${Math.floor(hours / 24 / 30)} months`;
  return `${Math.floor(hours / 24 / 365)} years`;
}
