import { readdir, readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import type { ServeOptions } from '../daemon/serve-options.js';
import { runFetchService } from './program.js';

/** What deploy/ starts is what the command line takes. */
const deploy = fileURLToPath(new URL('../../../../deploy/', import.meta.url));
const read = (path: string) => readFile(`${deploy}${path}`, 'utf8');

interface ComposeFile {
  readonly services: Readonly<
    Record<
      string,
      { readonly image: string; readonly command?: string[]; readonly environment?: Record<string, string> }
    >
  >;
}

/** Variables of compose, as they are without an `.env`. */
const interpolate = (text: string) =>
  text.replace(/\$\{(\w+)(?::([-?])([^}]*))?\}/g, (_all, name, how, value) => (how === '-' ? value : `a:${name}`));

async function serveOptions(args: readonly string[], environment: Readonly<Record<string, string>> = {}) {
  const served: ServeOptions[] = [];
  let said = '';
  const exitCode = await runFetchService(args, {
    environment: { FETCH_SERVICE_AUTH: 'a:b', ...environment },
    out: () => {},
    err: (text) => {
      said += text;
    },
    serve: async (options) => {
      served.push(options);
      return 0;
    },
  });
  expect(said).toBe('');
  expect(exitCode).toBe(0);
  return served[0] as ServeOptions;
}

async function compose(): Promise<ComposeFile> {
  return parse(interpolate(await read('compose/compose.yaml')), { merge: true });
}

/** `NAME=value` of an environment file; with those that are commented out. */
function variablesOf(text: string): Record<string, string> {
  const lines = text.match(/^#?[A-Z][A-Z0-9_]*=.*$/gm) ?? [];
  return Object.fromEntries(lines.map((line) => line.replace('#', '').split(/=(.*)/s).slice(0, 2)));
}

describe('deploy/systemd', () => {
  it.each(['', '--keep-sessions=30d --spool-quota=50G', '--control-host=10.0.0.11'])(
    'its unit starts the daemon, with %j',
    async (more) => {
      const unit = (await read('systemd/waybill-fetch-service.service')).replaceAll('\\\n', ' ');
      const [, ...words] = /^ExecStart=(.*)$/m.exec(unit)?.[1]?.split(/\s+/) ?? [];
      const options = await serveOptions(
        words.flatMap((word) => (word === '$FETCH_SERVICE_OPTIONS' ? more.split(' ') : word)).filter(Boolean),
      );
      expect(options.spoolRoot).toBe('/var/lib/waybill/spool');
      expect(options.control.host).toBe(more.includes('10.0.0.11') ? '10.0.0.11' : '127.0.0.1');
      const seconds = Number(/^TimeoutStopSec=(\d+)s$/m.exec(unit)?.[1]);
      expect(seconds).toBeGreaterThanOrEqual(options.drainSeconds + options.graceSeconds + 10);
    },
  );

  it('its example environment can be used, and has only what the service reads', async () => {
    const { FETCH_SERVICE_OPTIONS: _, ...variables } = variablesOf(await read('systemd/fetch-service.env.example'));
    const options = await serveOptions([], variables);
    expect(options.databaseUrl).toMatch(/^postgres:/);
    expect(options.bodiesUrl).toMatch(/^s3:/);
    const known =
      /^(FETCH_SERVICE_AUTH|FETCH_SERVICE_SECRETS_KEY_FILE|DATABASE_URL|WAYBILL_BODIES|AWS_\w+|HTTPS_PROXY|NO_PROXY|NODE_EXTRA_CA_CERTS)$/;
    for (const name of Object.keys(variables)) expect(name).toMatch(known);
  });

  it('options in the example exist', async () => {
    const text = await read('systemd/fetch-service.env.example');
    const lines = [...text.matchAll(/FETCH_SERVICE_OPTIONS=(.*)/g)].map(([, words = '']) => words.split(' '));
    expect(lines.length).toBeGreaterThan(1);
    for (const words of lines) await serveOptions(words);
  });
});

describe('deploy/docker and deploy/compose', () => {
  it('the image starts the daemon, alone and as a replica', async () => {
    const dockerfile = await read('docker/Dockerfile');
    const words = (name: string) =>
      JSON.parse(new RegExp(`^${name} (\\[.*\\])$`, 'm').exec(dockerfile)?.[1] ?? '[]') as string[];
    const [, ...entry] = words('ENTRYPOINT');
    expect(entry.slice(0, 2)).toEqual(['--max-semi-space-size=8', '/opt/waybill/fetch-service/dist/main.js']);
    const start = entry.slice(2);
    expect((await serveOptions([...start, ...words('CMD')])).control.port).toBe(9999);

    const { services } = await compose();
    const replicas = Object.entries(services).filter(([name]) => name.startsWith('fetch-'));
    expect(replicas.map(([name]) => name)).toEqual(['fetch-a', 'fetch-b']);
    for (const [, { command = [], environment = {} }] of replicas) {
      const options = await serveOptions([...start, ...command], environment);
      expect(options.databaseUrl).toMatch(/^postgres:/);
      expect(options.bodiesUrl).toMatch(/^s3:/);
      expect(environment.FETCH_SERVICE_SECRETS_KEY_FILE).toBeDefined();
      expect(options.certificate).toBeDefined();
    }
  });

  it('every variable of the compose file is in its example, and the other way round', async () => {
    const used = [...(await read('compose/compose.yaml')).matchAll(/\$\{(\w+)/g)].map(([, name]) => name);
    const own = used.filter((name) => !/PROXY$/.test(name ?? ''));
    expect(Object.keys(variablesOf(await read('compose/env.example'))).sort()).toEqual([...new Set(own)].sort());
  });

  it('no image comes from a registry that is named here', async () => {
    const { services } = await compose();
    for (const { image } of Object.values(services)) expect(image.split('/')[0]).not.toMatch(/[.]|:\d/);
    expect(await read('docker/Dockerfile')).not.toMatch(/^FROM (?!\$\{BASE_IMAGE\}( AS \w+)?$)/m);
    const hosts = (await read('compose/env.example')).match(/=[\w-]+(\.[\w-]+)+\//g) ?? [];
    expect(new Set(hosts)).toEqual(new Set(['=registry.example/']));
  });
});

it('Prometheus asks the replicas that there are', async () => {
  const { scrape_configs: jobs } = parse(await read('prometheus/prometheus.yaml'));
  expect(jobs[0].static_configs[0].targets).toEqual(['fetch-a:9999', 'fetch-b:9999']);
  expect(await readdir(`${deploy}prometheus`)).toContain('waybill.rules.yaml');
});
