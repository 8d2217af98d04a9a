import { ComposeProject } from '../support/compose.js';
import { eventually } from '../support/eventually.js';
import { SLOWNESS } from '../support/slowness.js';
import { useEngine } from '../support/test-engine.js';
import { importTestRoot } from '../support/test-root.js';

/** An nginx front end, a Python application, PostgreSQL and Redis, each from the distribution's own packages. */
const engine = useEngine();
const IMAGE = 'stack:latest';

beforeAll(() => importTestRoot('stack', engine.socketPath), 400_000 * SLOWNESS);

/** Stores what is posted, and counts how often it was asked. */
const APPLICATION = `
import os, psycopg2, redis
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

cache = redis.Redis(host='cache')

def database():
    return psycopg2.connect(host='db', user='postgres', password=open('/run/secrets/password').read(), dbname='postgres')

class Handler(BaseHTTPRequestHandler):
    def answer(self, text):
        body = text.encode()
        self.send_response(200)
        self.send_header('Content-Length', str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_POST(self):
        note = self.rfile.read(int(self.headers['Content-Length'])).decode()
        with database() as connection, connection.cursor() as cursor:
            cursor.execute('CREATE TABLE IF NOT EXISTS notes (id serial, text text)')
            cursor.execute('INSERT INTO notes (text) VALUES (%s)', (note,))
        self.answer('stored')

    def do_GET(self):
        asked = cache.incr('asked')
        with database() as connection, connection.cursor() as cursor:
            cursor.execute('SELECT text FROM notes ORDER BY id')
            notes = [row[0] for row in cursor.fetchall()]
        self.answer(','.join(notes) + ' asked ' + str(asked) + ' of ' + os.environ['HOSTNAME'])

    def log_message(self, *arguments):
        pass

ThreadingHTTPServer(('', 8000), Handler).serve_forever()
`;

const NGINX = `
daemon off;
error_log /dev/stderr;
events {}
http {
  access_log /dev/stdout;
  server {
    listen 80;
    location / {
      resolver 127.0.0.11 valid=1s;
      set $upstream app;
      proxy_pass http://$upstream:8000;
    }
  }
}
`;

const DATABASE = `
set -e
if [ ! -s "$PGDATA/PG_VERSION" ]; then
  /opt/postgresql/initdb --auth-host=scram-sha-256 --pwfile=/run/secrets/password --no-sync
  echo 'host all all all scram-sha-256' >> "$PGDATA/pg_hba.conf"
fi
exec /opt/postgresql/postgres -c listen_addresses='*' -c unix_socket_directories=/tmp
`;

function writeStack(project: ComposeProject, level: string): void {
  project.write('password', 'secret');
  project.write('app.py', APPLICATION);
  project.write('nginx.conf', NGINX);
  project.write('compose.yaml', {
    services: {
      front: {
        image: IMAGE,
        command: ['nginx', '-c', '/etc/nginx.conf'],
        ports: ['127.0.0.1::80'],
        networks: ['public'],
        configs: [{ source: 'nginx', target: '/etc/nginx.conf' }],
        depends_on: ['app'],
      },
      app: {
        image: IMAGE,
        command: ['python3', '/app/app.py'],
        volumes: ['./app.py:/app/app.py:ro'],
        environment: { LEVEL: level },
        networks: ['public', 'private'],
        secrets: ['password'],
        init: true,
        depends_on: { db: { condition: 'service_healthy' }, cache: { condition: 'service_healthy' } },
      },
      db: {
        image: IMAGE,
        user: 'postgres',
        command: ['sh', '-c', DATABASE.replaceAll('$', '$$$$')],
        environment: { PGDATA: '/var/lib/postgresql/data' },
        volumes: ['database:/var/lib/postgresql/data'],
        networks: ['private'],
        secrets: ['password'],
        stop_signal: 'SIGINT',
        healthcheck: {
          test: ['CMD', '/opt/postgresql/pg_isready', '-h', '127.0.0.1', '-q'],
          interval: '300ms',
          retries: 100,
        },
      },
      cache: {
        image: IMAGE,
        command: ['redis-server', '--bind', '0.0.0.0', '--protected-mode', 'no', '--dir', '/data', '--save', ''],
        volumes: ['cache:/data'],
        networks: ['private'],
        healthcheck: { test: ['CMD', 'redis-cli', 'ping'], interval: '300ms', retries: 100 },
      },
    },
    networks: { public: {}, private: { internal: true } },
    volumes: { database: {}, cache: {} },
    secrets: { password: { file: './password' } },
    configs: { nginx: { file: './nginx.conf' } },
  });
}

test(
  'what is written through the front end is there after the stack was recreated',
  async () => {
    const project = new ComposeProject(engine);
    try {
      writeStack(project, '1');
      await up(project);
      expect(await post(project, 'first')).toBe('stored');
      expect(await get(project)).toMatch(/^first asked 1 of /);

      // Other containers of the application; the database stays.
      const db = await project.containerId('db');
      writeStack(project, '2');
      await up(project, '--scale', 'app=3');
      expect(await project.containerId('db')).toBe(db);
      const hosts = await eventually(
        async () =>
          new Set(await Promise.all(Array.from({ length: 12 }, async () => (await get(project)).split(' of ')[1]))),
        (seen) => seen.size === 3,
      );
      expect(hosts.size).toBe(3);

      // Everything anew, but for the volumes.
      await project.ok('down', '--timeout', '5');
      await up(project);
      expect(await post(project, 'second')).toBe('stored');
      expect(await get(project)).toMatch(/^first,second asked 1 of /);
    } finally {
      await project.dispose();
    }
  },
  240_000 * SLOWNESS,
);

async function up(project: ComposeProject, ...args: string[]): Promise<void> {
  const { code, stderr } = await project.run(['up', '--detach', '--timeout', '5', ...args], {
    timeoutMs: 120_000 * SLOWNESS,
  });
  if (code !== 0) throw new Error(`${stderr}\n${await project.ok('logs', '--no-color')}`);
}

async function ask(project: ComposeProject, options: RequestInit): Promise<string> {
  const address = await project.ok('port', 'front', '80');
  return eventually(
    async () => {
      const answer = await fetch(`http://${address}/`, options).catch(() => undefined);
      return answer?.ok ? answer.text() : '';
    },
    (text) => text !== '',
  );
}
const post = (project: ComposeProject, note: string): Promise<string> => ask(project, { method: 'POST', body: note });
const get = (project: ComposeProject): Promise<string> => ask(project, {});
