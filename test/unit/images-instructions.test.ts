import { applyChanges } from '../../daemon/images/instructions.js';
import type { ImageConfig } from '../../daemon/images/image-document.js';

const apply = (changes: string[], config: ImageConfig = {}): ImageConfig => applyChanges(config, changes).config;

test.each<[string, ImageConfig]>([
  ['CMD ["a", "b c"]', { Cmd: ['a', 'b c'] }],
  ['cmd echo $HOME', { Cmd: ['/bin/sh', '-c', 'echo $HOME'] }],
  ['CMD ["not json]', { Cmd: ['/bin/sh', '-c', '["not json]'] }],
  ['ENTRYPOINT ["x"]', { Entrypoint: ['x'] }],
  ['ENTRYPOINT []', { Entrypoint: null }],
  ['ENV A=1 B="two words" C=three\\ words', { Env: ['A=1', 'B=two words', 'C=three words'] }],
  ["ENV A='$B'", { Env: ['A=$B'] }],
  ['ENV A the rest of it', { Env: ['A=the rest of it'] }],
  ['LABEL a=b c.d="e f"', { Labels: { a: 'b', 'c.d': 'e f' } }],
  ['EXPOSE 80 53/udp 8000-8002', {
    ExposedPorts: { '80/tcp': {}, '53/udp': {}, '8000/tcp': {}, '8001/tcp': {}, '8002/tcp': {} },
  }],
  ['USER www-data:root', { User: 'www-data:root' }],
  ['VOLUME /a /b', { Volumes: { '/a': {}, '/b': {} } }],
  ['VOLUME ["/a b"]', { Volumes: { '/a b': {} } }],
  ['WORKDIR /a/../b', { WorkingDir: '/b' }],
  ['ONBUILD RUN make', { OnBuild: ['RUN make'] }],
  ['STOPSIGNAL SIGUSR1', { StopSignal: 'SIGUSR1' }],
  ['SHELL ["/bin/ash", "-c"]', { Shell: ['/bin/ash', '-c'] }],
  ['HEALTHCHECK --interval=5s --timeout=1m30s --retries=3 CMD curl -f x', {
    Healthcheck: { Interval: 5e9, Timeout: 90e9, Retries: 3, Test: ['CMD-SHELL', 'curl -f x'] },
  }],
  ['HEALTHCHECK CMD ["true"]', { Healthcheck: { Test: ['CMD', 'true'] } }],
  ['HEALTHCHECK NONE', { Healthcheck: { Test: ['NONE'] } }],
])('%s', (change, expected) => {
  expect(apply([change])).toEqual(expected);
}); // prettier-ignore

test('instructions build on what is there', () => {
  const before: ImageConfig = { Env: ['A=1', 'B=2'], WorkingDir: '/srv', Labels: { x: 'y' }, OnBuild: ['RUN a'] };
  const after = apply(['ENV A=3 C=${B}${D:-4}', 'WORKDIR sub', 'LABEL z=$A', 'ONBUILD RUN b'], before);
  expect(after).toEqual({
    Env: ['A=3', 'B=2', 'C=24'],
    WorkingDir: '/srv/sub',
    Labels: { x: 'y', z: '3' },
    OnBuild: ['RUN a', 'RUN b'],
  });
  expect(before.Env).toEqual(['A=1', 'B=2']);
});

test('several instructions in one change, comments and continuation lines', () => {
  expect(apply(['# no\nENV A=1 \\\n B=2\nUSER x\n'])).toEqual({ Env: ['A=1', 'B=2'], User: 'x' });
});

test('MAINTAINER is the author', () => {
  expect(applyChanges({}, ['MAINTAINER A. Nother <a@example.com>']).author).toBe('A. Nother <a@example.com>');
});

test.each([
  ['RUN x', 'RUN is not a valid change command'],
  ['FROM x', 'FROM is not a valid change command'],
  ['constructor x', 'unknown instruction: constructor'],
  ['ENV', 'ENV requires at least one argument'],
  ['ENV A', 'ENV must have two arguments'],
  ['ENV =x', 'names can not be blank'],
  ['ENV A="x', 'matching double-quote'],
  ['EXPOSE 0', 'invalid containerPort: 0'],
  ['EXPOSE 70000', 'invalid containerPort: 70000'],
  ['EXPOSE 9-8', 'invalid containerPort: 9-8'],
  ['EXPOSE 1/icmp', 'invalid proto: icmp'],
  ['ONBUILD FROM x', "FROM isn't allowed as an ONBUILD trigger"],
  ['ONBUILD ONBUILD RUN x', 'Chaining ONBUILD'],
  ['SHELL /bin/sh', 'JSON form'],
  ['WORKDIR', 'WORKDIR requires'],
  ['USER a b', 'USER requires exactly one argument'],
  ['HEALTHCHECK --interval=5x CMD a', 'invalid duration'],
  ['HEALTHCHECK RUN a', 'Unknown type "RUN"'],
  ['STOPSIGNAL a;b', 'invalid signal'],
])('%s is refused', (change, message) => {
  expect(() => apply([change])).toThrow(message);
});
