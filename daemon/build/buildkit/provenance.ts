import type { BuildResult } from '../build-result.js';
import type { Material } from '../material.js';
import type { ShownSource } from './failure.js';

/** What a client has asked for, as far as a provenance tells of it. */
export interface ProvenanceOf {
  ref: string;
  frontendAttributes: Readonly<Record<string, string>>;
  /** The Dockerfile. */
  source: ShownSource;
  /** Where the Dockerfile is from, if it is not the client's. */
  origin: Material | undefined;
  result: BuildResult;
  started: Date;
}

/** Attributes that say where things are, not what is built. */
const locations =
  /^(?:filename|context|source|cmdline|requestid|frontend\.caps|image-resolve-mode|vcs:.*|attest:.*|local-sessionid:.*)$/;

/**
 * How a build came about: a SLSA provenance of version 0.2, as BuildKit's without what it says of its build graph.
 *
 * @see https://slsa.dev/spec/v0.2/provenance
 */
export function provenance({ ref, frontendAttributes, source, origin, result, started }: ProvenanceOf): string {
  const args = Object.entries(frontendAttributes).filter(([name]) => !locations.test(name));
  const { secrets, agents, platform, materials } = result;
  const required = (mounts: BuildResult['secrets']): object[] =>
    mounts.map(({ id, optional }) => ({ id, ...(optional && { optional }) }));
  const vcs = Object.entries(frontendAttributes).flatMap(([name, value]) =>
    name.startsWith('vcs:') ? [[name.slice('vcs:'.length), value] as const] : [],
  );
  const document = {
    builder: { id: '' },
    buildType: 'https://mobyproject.org/buildkit@v1',
    materials: [...(origin ? [origin] : []), ...materials],
    invocation: {
      configSource: { ...origin, entryPoint: source.filename },
      parameters: {
        frontend: 'dockerfile.v0',
        ...(args.length > 0 && { args: Object.fromEntries(args) }),
        ...(secrets.length > 0 && { secrets: required(secrets) }),
        ...(agents.length > 0 && { ssh: required(agents) }),
        locals: origin ? [] : [{ name: 'context' }, { name: 'dockerfile' }],
      },
      environment: { platform },
    },
    metadata: {
      buildInvocationID: ref,
      buildStartedOn: started.toISOString(),
      buildFinishedOn: new Date().toISOString(),
      completeness: { parameters: true, environment: true, materials: origin !== undefined },
      reproducible: false,
      'https://mobyproject.org/buildkit@v1#metadata': {
        ...(vcs.length > 0 && { vcs: Object.fromEntries(vcs) }),
        source: {
          infos: [
            { filename: source.filename, language: 'Dockerfile', data: Buffer.from(source.text).toString('base64') },
          ],
        },
      },
    },
  };
  return JSON.stringify(document, undefined, 2);
}
