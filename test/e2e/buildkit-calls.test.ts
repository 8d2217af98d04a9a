import { execFileSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { ServerDuplexStream } from '@grpc/grpc-js';
import { contentService, controlService, fileSendService } from '../../daemon/build/buildkit/protocol.js';
import { RpcClient, type Method } from '../../daemon/build/buildkit/rpc-client.js';
import type { BuildHistoryEvent__Output } from '../../daemon/generated/rpc/moby/buildkit/v1/BuildHistoryEvent.js';
import type { StatusResponse__Output } from '../../daemon/generated/rpc/moby/buildkit/v1/StatusResponse.js';
import { BuildKitClient, file } from '../support/buildkit-client.js';
import { useEngine } from '../support/test-engine.js';
import { upgradedConnection } from '../support/upgraded-connection.js';

/** What buildx does not ask of the `docker` driver, or only in its newer versions: clients of BuildKit's own protocol do. */
const engine = useEngine();
const dockerfile = 'FROM busybox\nRUN echo told && echo 1 > /one\nRUN --mount=type=secret,id=s true\n';

let client: BuildKitClient;
let received: Buffer[];
let control: RpcClient;
let session = 0;

beforeEach(async () => {
  received = [];
  client = new BuildKitClient([file('Dockerfile', dockerfile)]).add(fileSendService, {
    DiffCopy: (call: ServerDuplexStream<{ data: Buffer }, object>) => {
      call.on('data', ({ data }) => received.push(data)).on('end', () => call.end());
    },
  });
  const headers = {
    'X-Docker-Expose-Session-Uuid': `session-${++session}`,
    'X-Docker-Expose-Session-Sharedkey': 'test',
    'X-Docker-Expose-Session-Grpc-Method': [...client.methods],
  };
  client.serve(await upgradedConnection(engine.socketPath, '/session', headers));
  control = await connected();
});
afterEach(() => {
  control.close();
  client.close();
});

const connected = async (): Promise<RpcClient> => new RpcClient(await upgradedConnection(engine.socketPath, '/grpc'));

async function all<Request, Response>(method: Method<Request, Response>, request: Request): Promise<Response[]> {
  const responses: Response[] = [];
  const call = control.open(method, {}, (message) => responses.push(method.responseDeserialize(message)));
  call.send(method.requestSerialize(request));
  call.end();
  await call.finished;
  return responses;
}

const solve = (ref: string, frontendAttributes: Record<string, string>, type = 'moby'): Promise<object> =>
  control.unary(controlService.Solve, {
    ref,
    session: `session-${session}`,
    frontend: 'dockerfile.v0',
    frontendAttributes,
    exporters: [{ type, attributes: { name: 'calls:1' } }],
  });

test.each(['oci', 'docker'])('the image goes to the client as an archive of the kind %s', async (type) => {
  await solve(`ref-${type}`, {}, type);
  const archive = join(engine.directory, `${type}.tar`);
  writeFileSync(archive, Buffer.concat(received));
  const names = execFileSync('tar', ['-tf', archive], { encoding: 'utf8' }).split('\n');
  expect(names).toEqual(expect.arrayContaining(['oci-layout', 'index.json', 'manifest.json']));
  expect((await engine.docker.run(['image', 'inspect', 'calls:1'])).code).not.toBe(0);
  await engine.docker.ok('load', '--input', archive);
  expect(await engine.docker.ok('run', '--rm', 'calls:1', 'cat', '/one')).toBe('1');
  await engine.docker.ok('rmi', 'calls:1');
});

test('what is no build is answered at the gateway alone', async () => {
  await expect(solve('ref-lint', { requestid: 'frontend.lint' })).rejects.toThrow(
    '"requestid" is answered at the gateway',
  );
});

test('the history, what builds told, and how they came about, are there after a restart', async () => {
  await solve('ref-good', { 'build-arg:A': '1', filename: 'Dockerfile', 'no-cache': '' });
  await expect(solve('ref-bad', { target: 'none' })).rejects.toThrow('target stage "none" could not be found');
  control.close();
  await engine.daemon!.stop();
  await engine.daemon!.start();
  control = await connected();

  const history = async (filter: string[], ref = ''): Promise<BuildHistoryEvent__Output[]> =>
    all(controlService.ListenBuildHistory, { ref, earlyExit: true, filter });
  const refs = async (...filter: string[]): Promise<(string | undefined)[]> =>
    (await history(filter)).map(({ record }) => record?.ref);
  expect((await refs()).slice(-2)).toEqual(['ref-good', 'ref-bad']);
  expect(await refs('status==error,ref~=bad')).toEqual(['ref-bad']);
  expect(await refs('startedAt>1h,ref==ref-good', 'ref==none')).toEqual(['ref-good']);

  const [{ type, record } = {}] = await history([], 'ref-good');
  expect([type, record?.numCompletedSteps]).toEqual(['COMPLETE', record?.numTotalSteps]);
  const [provenance] = record!.result!.attestations;
  const { info } = await control.unary(contentService.Info, { digest: provenance!.digest });
  expect(info!.size).toBe(provenance!.size);
  const parts = await all(contentService.Read, { digest: provenance!.digest, offset: 0, size: 0 });
  expect(JSON.parse(Buffer.concat(parts.map(({ data }) => data)).toString())).toMatchObject({
    materials: [{ uri: expect.stringMatching(/^pkg:docker\/busybox@latest\?platform=linux%2F/) }],
    invocation: { parameters: { args: { 'build-arg:A': '1' }, secrets: [{ id: 's', optional: true }] } },
    metadata: { buildInvocationID: 'ref-good' },
  });
  const told: StatusResponse__Output[] = await all(controlService.Status, { ref: 'ref-good' });
  const logs = told.flatMap((response) => response.logs).map(({ message }) => message.toString());
  expect(logs).toContain('told\n');

  await control.unary(controlService.UpdateBuildHistory, { ref: 'ref-good', delete: true });
  expect(await refs()).not.toContain('ref-good');
  await expect(control.unary(contentService.Info, { digest: provenance!.digest })).rejects.toThrow('not found');
  await engine.docker.ok('rmi', 'calls:1');
});
