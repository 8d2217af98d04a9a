import { execFileSync } from 'node:child_process';
import { join } from 'node:path';
import { ComposeProject, hasClassicCompose } from '../support/compose.js';
import { DockerRegistry } from '../support/docker-registry.js';
import { eventually } from '../support/eventually.js';
import { useEngine } from '../support/test-engine.js';

const engine = useEngine();
let project: ComposeProject;

beforeEach(() => {
  project = new ComposeProject(engine);
});
afterEach(() => project.dispose());

/** A service of busybox that ends at once when it is asked to. */
const service = (command: string, more: object = {}): object => ({
  image: 'busybox',
  command: ['sh', '-c', command],
  stop_grace_period: '0s',
  ...more,
});
const idle = (more: object = {}): object => ({ image: 'busybox', command: ['sleep', '600'], init: true, ...more });

test('up starts services in the order of their health, and down takes everything away', async () => {
  project.write('compose.yaml', {
    services: {
      db: service('sleep 1; touch /ready; exec sleep 600', {
        healthcheck: { test: ['CMD', 'test', '-e', '/ready'], interval: '200ms', timeout: '2s', retries: 50 },
      }),
      migrate: service('echo migrated', { depends_on: { db: { condition: 'service_healthy' } } }),
      web: idle({ depends_on: { migrate: { condition: 'service_completed_successfully' } } }),
    },
    volumes: { data: {} },
  });
  await project.ok('up', '--detach');
  expect(await project.processes()).toMatchObject([
    { Service: 'db', State: 'running', Health: 'healthy' },
    { Service: 'migrate', State: 'exited', ExitCode: 0 },
    { Service: 'web', State: 'running' },
  ]);
  expect(await project.ok('logs', '--no-log-prefix', 'migrate')).toMatch(/migrated$/);

  await project.ok('down', '--volumes');
  const filter = ['--filter', `label=com.docker.compose.project=${project.name}`, '--quiet'];
  expect(await engine.docker.ok('ps', '--all', ...filter)).toBe('');
  expect(await engine.docker.ok('network', 'ls', ...filter)).toBe('');
  expect(await engine.docker.ok('volume', 'ls', ...filter)).toBe('');
});

test('services find each other by name, alias and replica, on networks of their own', async () => {
  project.write('compose.yaml', {
    services: {
      web: idle({ networks: { front: {} } }),
      api: idle({ networks: { front: { aliases: ['backend'] }, back: { ipv4_address: '10.213.7.20' } } }),
      db: idle({ networks: ['back'] }),
    },
    networks: { front: {}, back: { ipam: { config: [{ subnet: '10.213.7.0/24' }] }, internal: true } },
  });
  await project.ok('up', '--detach', '--scale', 'web=3');
  const ask = (from: string, name: string): Promise<string> =>
    project.ok(
      'exec',
      '-T',
      from,
      'sh',
      '-c',
      `nslookup -type=a ${name}. 127.0.0.11 | sed -n 's/^Address: //p' | sort`,
    );

  expect((await ask('api', 'web')).split('\n')).toHaveLength(3);
  expect(await ask('web', 'backend')).toBe(await ask('web', 'api'));
  expect(await ask('db', 'api')).toBe('10.213.7.20');
  await project.ok('exec', '-T', 'db', 'ping', '-c', '1', '-W', '2', 'api');
  const { code } = await project.run(['exec', '-T', 'db', 'ping', '-c', '1', '-W', '1', 'web']);
  expect(code).not.toBe(0);
});

test('up again recreates only what changed, and keeps the data of volumes', async () => {
  const write = (greeting: string): void =>
    project.write('compose.yaml', {
      services: {
        db: idle({ volumes: ['data:/data'], environment: { GREETING: greeting } }),
        web: idle(),
      },
      volumes: { data: {} },
    });
  write('one');
  await project.ok('up', '--detach');
  await project.ok('exec', '-T', 'db', 'sh', '-c', 'echo kept > /data/file');
  const before = { db: await project.containerId('db'), web: await project.containerId('web') };

  write('two');
  await project.ok('up', '--detach', '--timeout', '1');
  expect(await project.containerId('web')).toBe(before.web);
  expect(await project.containerId('db')).not.toBe(before.db);
  expect(await project.ok('exec', '-T', 'db', 'sh', '-c', 'cat /data/file; echo $GREETING')).toBe('kept\ntwo');
});

test('scaling up and down', async () => {
  project.write('compose.yaml', { services: { web: idle() } });
  for (const replicas of [5, 2]) {
    await project.ok('up', '--detach', '--scale', `web=${replicas}`, '--timeout', '1');
    expect(await project.processes()).toHaveLength(replicas);
  }
});

test('the life of services: stop, start, restart, kill, pause, top, exec, run, cp', async () => {
  project.write('compose.yaml', { services: { web: idle({ environment: ['NAME=web'] }) } });
  await project.ok('up', '--detach');
  const state = async (): Promise<string> => (await project.processes())[0]?.State ?? '';

  await project.ok('stop', '--timeout', '1');
  expect(await state()).toBe('exited');
  await project.ok('start');
  await project.ok('pause');
  expect(await state()).toBe('paused');
  await project.ok('unpause');
  await project.ok('restart', '--timeout', '1');
  expect(await state()).toBe('running');
  expect(await project.ok('top')).toContain('sleep 600');
  expect(await project.ok('exec', '-T', 'web', 'sh', '-c', 'echo "$NAME"')).toBe('web');
  const run = await project.run(['run', '--rm', '-T', '--env', 'NAME=once', 'web', 'sh', '-c', 'echo "$NAME"; exit 3']);
  expect([run.stdout, run.code]).toEqual(['once\n', 3]);
  project.write('file', 'copied');
  await project.ok('cp', join(project.directory, 'file'), 'web:/tmp/file');
  await project.ok('cp', 'web:/tmp/file', join(project.directory, 'back'));
  expect(await project.ok('exec', '-T', 'web', 'cat', '/tmp/file')).toBe('copied');
  await project.ok('kill');
  expect(await state()).toBe('exited');
});

test('logs -f shows every service until it ends', async () => {
  project.write('compose.yaml', {
    services: { one: service('sleep 0.5; echo from-one'), two: service('sleep 0.5; echo from-two; exit 4') },
  });
  await project.ok('up', '--detach');
  const logs = await project.ok('logs', '--follow', '--no-color');
  expect(logs).toMatch(/one-1\s+\| from-one/);
  expect(logs).toMatch(/two-1\s+\| from-two/);
});

test('up in the foreground ends with the exit code of the service it is told to follow', async () => {
  project.write('compose.yaml', { services: { job: service('echo working; sleep 0.3; exit 5'), side: idle() } });
  const { code, stdout } = await project.run(['up', '--exit-code-from', 'job', '--no-color', '--timeout', '1']);
  expect(code).toBe(5);
  expect(stdout).toMatch(/job-1\s+\| working/);
});

test('configs and secrets from files, env files, extends and profiles', async () => {
  project.write('secret.txt', 'hidden');
  project.write('app.conf', 'level = 3');
  project.write('app.env', 'COLOUR=blue\n');
  project.write('base.yaml', { services: { base: idle({ environment: { BASE: 'yes' }, labels: { kind: 'base' } }) } });
  project.write('compose.yaml', {
    services: {
      app: {
        extends: { file: 'base.yaml', service: 'base' },
        env_file: ['app.env'],
        secrets: ['token'],
        configs: [{ source: 'conf', target: '/etc/app.conf' }],
      },
      debug: idle({ profiles: ['debug'] }),
    },
    secrets: { token: { file: './secret.txt' } },
    configs: { conf: { file: './app.conf' } },
  });
  await project.ok('up', '--detach');
  expect((await project.processes()).map(({ Service }) => Service)).toEqual(['app']);
  const script = 'cat /run/secrets/token; echo; cat /etc/app.conf; echo; echo "$BASE $COLOUR"';
  expect(await project.ok('exec', '-T', 'app', 'sh', '-c', script)).toBe('hidden\nlevel = 3\nyes blue');
  await project.ok('--profile', 'debug', 'up', '--detach');
  expect((await project.processes()).map(({ Service }) => Service)).toEqual(['app', 'debug']);
});

test('published ports are told and reached', async () => {
  project.write('index.html', 'hello from the volume\n');
  project.write('compose.yaml', {
    services: {
      web: {
        image: 'busybox',
        command: ['httpd', '-f', '-p', '80', '-h', '/www'],
        init: true,
        volumes: ['./:/www:ro'],
        ports: ['127.0.0.1::80'],
      },
    },
  });
  await project.ok('up', '--detach');
  const address = await project.ok('port', 'web', '80');
  expect(address).toMatch(/^127\.0\.0\.1:\d+$/);
  const page = await eventually(
    async () =>
      fetch(`http://${address}/`).then(
        (answer) => answer.text(),
        () => '',
      ),
    (text) => text !== '',
  );
  expect(page).toBe('hello from the volume\n');
});

test('a service with a restart policy comes back; ps, images, config and events tell about it', async () => {
  project.write('compose.yaml', {
    services: { flaky: service('sleep 0.3; exit 1', { restart: 'on-failure:3' }), web: idle() },
  });
  await project.ok('up', '--detach');
  await eventually(
    async () =>
      JSON.parse(await engine.docker.ok('inspect', await project.containerId('flaky'))) as [{ RestartCount: number }],
    ([{ RestartCount }]) => RestartCount >= 2,
  );
  expect((await project.ok('config', '--services')).split('\n').sort()).toEqual(['flaky', 'web']);
  expect(await project.ok('images')).toContain('busybox');
  const events = project.session('events', '--json');
  // It does not say when it has begun to listen.
  await eventually(
    () => project.ok('restart', '--timeout', '0', 'web'),
    () => /"action":"start".*"service":"web"/.test(events.stdout),
  );
  events.kill('SIGKILL');
});

test('pull and push move the images of services, and up pulls what is missing', async () => {
  const registry = new DockerRegistry();
  await registry.start();
  try {
    const image = `${registry.host}/team/web:1`;
    await engine.docker.ok('tag', 'busybox', image);
    project.write('compose.yaml', { services: { web: idle({ image, build: '.' }), db: idle() } });
    await project.ok('push', 'web');
    await engine.docker.ok('rmi', image);
    await project.ok('pull', 'web');
    expect(await engine.docker.ok('images', '--quiet', image)).not.toBe('');
    await engine.docker.ok('rmi', image);
    project.write('compose.yaml', { services: { web: idle({ image }) } });
    await project.ok('up', '--detach');
    expect(await project.processes()).toMatchObject([{ Service: 'web', State: 'running' }]);
    await project.ok('down', '--rmi', 'all');
    expect(await engine.docker.ok('images', '--quiet', image)).toBe('');
  } finally {
    await registry.stop();
  }
});

test('what a service says of its networks, names and mounts reaches its containers', async () => {
  project.write('compose.yaml', {
    services: {
      web: idle({
        hostname: 'ahost',
        domainname: 'example.test',
        extra_hosts: ['other:192.0.2.3'],
        dns_search: ['foo.test'],
        sysctls: { 'net.ipv4.ip_default_ttl': 33 },
        tmpfs: ['/t:size=1m,mode=700'],
        networks: {
          one: { aliases: ['front'], ipv4_address: '10.213.8.30', link_local_ips: ['169.254.9.9'], priority: 1000 },
          two: { ipv6_address: 'fd00:213:8::30' },
        },
        volumes: ['data:/data', { type: 'volume', source: 'data', target: '/part', read_only: true }],
      }),
      beside: idle({ network_mode: 'service:web', pid: 'service:web' }),
      user: idle({ volumes_from: ['web'], links: ['web:linked'], networks: ['one'] }),
      alone: idle({ network_mode: 'none', read_only: true }),
    },
    networks: {
      one: { ipam: { config: [{ subnet: '10.213.8.0/24', ip_range: '10.213.8.128/25', gateway: '10.213.8.9' }] } },
      two: { enable_ipv6: true, ipam: { config: [{ subnet: 'fd00:213:8::/64' }] } },
    },
    volumes: { data: { driver_opts: { type: 'tmpfs', device: 'tmpfs', o: 'size=2m' } } },
  });
  await project.ok('up', '--detach');
  const sh = (service: string, script: string): Promise<string> =>
    project.ok('exec', '-T', service, 'sh', '-c', script);
  const addresses = await sh('web', 'ip -o address');
  for (const address of ['10.213.8.30/24', '169.254.9.9/16', 'fd00:213:8::30/64']) expect(addresses).toContain(address);
  expect(await sh('web', 'ip route')).toContain('default via 10.213.8.9 ');
  expect(await sh('web', 'hostname -f; cat /proc/sys/net/ipv4/ip_default_ttl')).toBe('ahost.example.test\n33');
  expect(await sh('web', 'cat /etc/hosts /etc/resolv.conf')).toMatch(/192\.0\.2\.3\tother[^]*search foo\.test/);
  expect(await sh('web', 'stat -c %a /t; echo x >/data/x; cat /part/x; touch /part/y 2>&1 | tail -1')).toMatch(
    /^700\nx\ntouch: .*Read-only file system$/,
  );
  expect(await sh('beside', 'ip -o address')).toBe(addresses);
  expect(await sh('beside', 'hostname; ps -o args | grep -c "^sleep 600"')).toBe('ahost\n2');
  expect(await sh('user', 'cat /data/x')).toBe('x');
  for (const name of ['linked', 'front', 'web', 'ahost']) {
    expect(await sh('user', `nslookup -type=a ${name}. 127.0.0.11`)).toContain('10.213.8.30');
  }
  expect(await sh('user', 'ip -o -4 address show eth0')).toContain('10.213.8.128/24');
  expect(await sh('alone', 'ls /sys/class/net; touch /x 2>&1 || true')).toMatch(/^lo\ntouch: .*Read-only file system$/);
});

test('watch copies a changed file into the running service', async () => {
  project.write('source/file', 'before');
  project.write('compose.yaml', {
    services: {
      web: {
        ...idle(),
        // Compose watches services that it could build; nothing is built here.
        build: { context: '.' },
        develop: { watch: [{ action: 'sync', path: './source', target: '/copied' }] },
      },
    },
  });
  await project.ok('up', '--detach', '--no-build');
  const watch = project.session('watch', '--no-up');
  await watch.says(/Watch enabled/);
  project.write('source/file', 'after');
  const changed = await eventually(
    async () => (await project.run(['exec', '-T', 'web', 'cat', '/copied/file'])).stdout,
    (text) => text !== '',
  );
  watch.kill('SIGKILL');
  expect(changed).toBe('after');
});

(hasClassicCompose ? test : test.skip)('the classic docker-compose brings a stack up and down', async () => {
  project.write('docker-compose.yml', {
    version: '2.4',
    services: {
      db: idle({ healthcheck: { test: 'true', interval: '1s' } }),
      web: idle({ depends_on: { db: { condition: 'service_healthy' } }, volumes: ['data:/data'] }),
    },
    volumes: { data: {} },
  });
  const classic = (...args: string[]): string =>
    execFileSync('docker-compose', ['--project-name', project.name, ...args], {
      cwd: project.directory,
      env: { ...process.env, DOCKER_HOST: engine.host },
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'pipe'],
    });
  classic('up', '-d');
  expect(classic('exec', '-T', 'web', 'ping', '-c', '1', 'db')).toContain('1 packets received');
  expect(classic('ps', '--quiet').trim().split('\n')).toHaveLength(2);
  classic('down', '--volumes', '--timeout', '1');
  expect(classic('ps', '--quiet').trim()).toBe('');
});
