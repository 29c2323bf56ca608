import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { availableParallelism, tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { ServeOptions } from '../daemon/serve-options.js';
import { FetchServiceError } from '../errors.js';
import { version } from '../version.js';
import { runFetchctl } from './fetchctl-program.js';
import { runFetchService } from './program.js';

let directory: string;

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'waybill-cli-'));
});
afterEach(() => rm(directory, { recursive: true }));

async function run(
  args: readonly string[],
  environment: Record<string, string> = { FETCH_SERVICE_AUTH: 'craft:craft' },
) {
  let out = '';
  let err = '';
  let options: ServeOptions | undefined;
  const exitCode = await runFetchService(args, {
    environment,
    out: (text) => (out += text),
    err: (text) => (err += text),
    async serve(given) {
      options = given;
      return 7;
    },
  });
  return { exitCode, out, err, options };
}

describe('fetch-service, called as the earlier daemon is', () => {
  it('takes every option in both forms', async () => {
    const { exitCode, options } = await run([
      '--control-port=13555',
      '--proxy-port',
      '13444',
      '--config=/r/config',
      '--spool',
      '/r/spool',
      '--cert=/r/ca.pem',
      '--key=/r/ca.key.pem',
      '--permissive-mode',
      '--idle-shutdown=300',
      '--log-file=/r/log',
      '--security-log-file',
      '/r/security',
      '--verbosity',
      'debug',
      '--profile',
      '--profile-port=6061',
    ]);
    expect(exitCode).toBe(7);
    expect(options).toMatchObject({
      control: { host: undefined, port: 13555 },
      proxy: { host: undefined, port: 13444 },
      configDirectory: '/r/config',
      spoolRoot: '/r/spool',
      certificate: { certFile: '/r/ca.pem', keyFile: '/r/ca.key.pem' },
      isPermissiveAllowed: true,
      idleShutdownSeconds: 300,
      logFile: '/r/log',
      securityLogFile: '/r/security',
      verbosity: 'debug',
      profilePort: 6061,
    });
    expect(options?.credentials?.user).toBe('craft');
  });

  it.each([[[]], [['serve']]])('has the defaults of the seed: %j', async (args) => {
    const { options } = await run(args);
    expect(options).toMatchObject({
      control: { port: 9999 },
      proxy: { port: 9988 },
      configDirectory: '/etc/fetch',
      spoolRoot: '/var/lib/fetch',
      certificate: undefined,
      isPermissiveAllowed: false,
      idleShutdownSeconds: 0,
      processes: 1,
      drainSeconds: 0,
      graceSeconds: 3,
      profileDirectory: undefined,
      databaseUrl: undefined,
      bodiesUrl: undefined,
      profilePort: undefined,
      upstreamCaFiles: [],
    });
    expect(options?.socket).toEqual({ path: join(tmpdir(), 'fetchctl.socket'), isChosen: false });
  });

  it('uses the places of its snap', async () => {
    const { options } = await run([], {
      FETCH_SERVICE_AUTH: 'a:b',
      SNAP: '/snap/x',
      SNAP_DATA: '/data',
      SNAP_COMMON: '/common',
    });
    expect(options).toMatchObject({ configDirectory: '/data/conf', spoolRoot: '/common/spool' });
  });

  it('takes -p, serve with options, ports of 0 and repeated roots', async () => {
    const { options } = await run([
      'serve',
      '-p',
      '0',
      '--upstream-ca=/a',
      '--upstream-ca',
      '/b',
      '--control-host=[::1]',
      '--proxy-host',
      'localhost',
      '--max-connections=100',
      '--max-exchanges=50',
      '--processes=3',
      '--drain=5',
      '--grace=60',
      '--profile-dir=/p',
    ]);
    expect(options).toMatchObject({
      processes: 3,
      drainSeconds: 5,
      graceSeconds: 60,
      profileDirectory: '/p',
      maxConnections: 100,
      maxExchanges: 50,
      proxy: { port: 0, host: '127.0.0.1' },
      control: { host: '::1' },
      upstreamCaFiles: ['/a', '/b'],
    });
  });

  it('auto: as many processes as cores, at most four', async () => {
    const { options } = await run(['--processes=auto']);
    expect(options?.processes).toBe(Math.min(availableParallelism(), 4));
  });

  it.each(['0', '-1', '65', '1.5', 'many', ''])('refuses --processes=%s', async (text) => {
    const { exitCode, err } = await run([`--processes=${text}`]);
    expect(exitCode).toBe(1);
    expect(err).toContain('expected auto, or a number from 1 to 64');
  });

  it('reads the database from the environment', async () => {
    expect(
      (await run([], { FETCH_SERVICE_AUTH: 'a:b', DATABASE_URL: 'postgres://db.example/x' })).options?.databaseUrl,
    ).toBe('postgres://db.example/x');
    expect(
      (await run(['--database=file:/x'], { FETCH_SERVICE_AUTH: 'a:b', DATABASE_URL: 'postgres://db.example/x' }))
        .options?.databaseUrl,
    ).toBe('file:/x');
  });

  it('finds the runtime file as contracts say', async () => {
    const file = async (environment: Record<string, string>) =>
      (await run([], { FETCH_SERVICE_AUTH: 'a:b', ...environment })).options?.runtimeFile.path;
    expect(await file({ WAYBILL_RUNTIME_DIR: '/w', XDG_RUNTIME_DIR: '/x' })).toBe('/w/waybill/fetch-service.json');
    expect(await file({ XDG_RUNTIME_DIR: '/x' })).toBe('/x/waybill/fetch-service.json');
    expect(await file({})).toBe(join(tmpdir(), `waybill-${process.getuid?.()}`, 'waybill', 'fetch-service.json'));
  });
});

describe('what cannot stand', () => {
  it.each<[string, string[], Record<string, string>, RegExp]>([
    ['no credentials', [], {}, /FETCH_SERVICE_AUTH is not set\nset FETCH_SERVICE_AUTH=user:password/],
    [
      'credentials without a colon',
      [],
      { FETCH_SERVICE_AUTH: 'hunter2' },
      /has no user and password separated by a colon/,
    ],
    ['no password', [], { FETCH_SERVICE_AUTH: 'user:' }, /no user and password/],
    ['no user', [], { FETCH_SERVICE_AUTH: ':hunter2' }, /no user and password/],
    ['no authentication for everybody', ['--no-control-auth'], {}, /any interface[\s\S]*--control-host=127\.0\.0\.1/],
    ['no authentication for a network', ['--no-control-auth', '--control-host=192.0.2.1'], {}, /192\.0\.2\.1/],
    ['a certificate without key', ['--cert=/x'], { FETCH_SERVICE_AUTH: 'a:b' }, /--cert was given without --key/],
    ['a key without certificate', ['--key=/x'], { FETCH_SERVICE_AUTH: 'a:b' }, /--key was given without --cert/],
    ['a port too high', ['--control-port=65536'], {}, /expected a number from 0 to 65535/],
    ['a port that is none', ['--proxy-port=http'], {}, /--proxy-port/],
    ['a host name to listen on', ['--control-host=example'], {}, /expected an IP address/],
    ['a negative time', ['--idle-shutdown=-1'], {}, /expected a number of seconds/],
    ['another verbosity', ['--verbosity=loud'], {}, /Allowed choices are debug, info, warning, error/],
    ['an unknown option', ['--frobnicate'], {}, /unknown option '--frobnicate'[\s\S]*fetch-service --help/],
    ['an unknown command', ['start'], { FETCH_SERVICE_AUTH: 'a:b' }, /too many arguments|unknown command/],
  ])('%s', async (_name, args, environment, message) => {
    const { exitCode, err, options } = await run(args, environment);
    expect(exitCode).toBe(1);
    expect(err).toMatch(message);
    expect(err).toMatch(/^error: /);
    expect(err).not.toContain('hunter2');
    expect(options).toBeUndefined();
  });

  it('anybody may call a loopback address that is opened on purpose', async () => {
    for (const host of ['127.0.0.1', '127.1.2.3', '::1', 'localhost']) {
      expect((await run(['--no-control-auth', `--control-host=${host}`], {})).options?.credentials).toBeUndefined();
    }
  });

  it('a failure to start is told with its next step', async () => {
    let err = '';
    const exitCode = await runFetchService([], {
      environment: { FETCH_SERVICE_AUTH: 'a:b' },
      out() {},
      err: (text) => (err += text),
      async serve() {
        throw new FetchServiceError('FETCH_PORT_IN_USE', 'port 1 of the proxy: address already in use', {
          hint: 'choose another',
        });
      },
    });
    expect([exitCode, err]).toEqual([1, 'error: port 1 of the proxy: address already in use\nchoose another\n']);
  });
});

describe('help and version', () => {
  it('are complete and exit with 0', async () => {
    const help = await run(['--help'], {});
    expect(help.exitCode).toBe(0);
    for (const text of [
      'Listening:',
      'Logs:',
      '--idle-shutdown',
      'config init',
      'FETCH_SERVICE_AUTH',
      'SIGUSR1',
      'Examples:',
      'Exit codes:',
    ]) {
      expect(help.out).toContain(text);
    }
    expect((await run(['serve', '--help'], {})).out).toBe(help.out);
    expect(await run(['--version'], {})).toMatchObject({ exitCode: 0, out: `${version}\n` });
    expect((await run(['config', 'init', '--help'], {})).out).toContain('--git-url');
  });
});

describe('config check', () => {
  it('names the line and column, or says valid', async () => {
    const file = join(directory, 'inspectors.yaml');
    await writeFile(file, 'git:\n  urls: ["https://git.example/**"]\n');
    const valid = await run(['config', 'check', file], {});
    expect(valid.exitCode).toBe(0);
    expect(valid.out).toContain(`${file}:2:10: warning: git.urls[0]: `);
    expect(valid.out).toContain(`${file}: valid`);
    await writeFile(file, 'git:\n  urls: 7\n');
    const invalid = await run(['config', 'check', file], {});
    expect(invalid.exitCode).toBe(1);
    expect(invalid.err).toContain(`error: ${file}:2:3: git.urls: expected array, received number`);
  });

  it('knows an access list by name and by content, and takes a directory', async () => {
    await writeFile(join(directory, 'list.yaml'), 'http-proxy: {policy: deny}\n');
    expect((await run(['config', 'check', join(directory, 'list.yaml')], {})).exitCode).toBe(0);
    await writeFile(join(directory, 'inspectors.yaml'), '');
    expect((await run(['config', 'check', directory], {})).exitCode).toBe(0);
    await writeFile(join(directory, 'acl.yaml'), 'http-proxy: {policy: maybe}\n');
    const both = await run(['config', 'check', directory], {});
    expect([both.exitCode, both.out]).toEqual([1, `${join(directory, 'inspectors.yaml')}: valid\n`]);
    expect(both.err).toContain('acl.yaml:1:14: http-proxy.policy: ');
    expect((await run(['config', 'check', '--type=acl', join(directory, 'inspectors.yaml')], {})).exitCode).toBe(1);
  });

  it('names a key that cannot be used', async () => {
    const file = join(directory, 'inspectors.yaml');
    const armor = '-----BEGIN PGP PUBLIC KEY BLOCK-----\n\nxgMEAAA=\n-----END PGP PUBLIC KEY BLOCK-----\n';
    const text = `apt: {repositories: {debian: {urls: ["http://deb.registry.example/**"], suites: [x], public-key: ${JSON.stringify(armor)}}}}\n`;
    await writeFile(file, text);
    const { exitCode, err } = await run(['config', 'check', file], {});
    expect(exitCode).toBe(1);
    expect(err).toContain('apt.repositories.debian');
  });

  it('says what is not there', async () => {
    const { exitCode, err } = await run(['config', 'check', join(directory, 'none.yaml')], {});
    expect([exitCode, err]).toEqual([1, expect.stringContaining('none.yaml cannot be read')]);
  });
});

describe('fetchctl', () => {
  async function control(args: readonly string[]) {
    let out = '';
    let err = '';
    const exitCode = await runFetchctl(args, { out: (text) => (out += text), err: (text) => (err += text) });
    return { exitCode, out, err };
  }

  it.each<[string[], RegExp]>([
    [['--socket=/nowhere/s', 'version'], /^error: no fetch-service on \/nowhere\/s: is not there\n/],
    [['update-config', 'x'], /--type/],
    [['update-config', '--type=other', 'x'], /Allowed choices are acl, inspectors/],
    [['update-config', '--type=acl', '/nowhere/x'], /^error: \/nowhere\/x cannot be read/],
    [['update-cert'], /missing required argument/],
    [['list-artifacts'], /--session-id/],
    [['create-session', '--timeout=soon'], /expected a number of seconds/],
    [['frobnicate'], /unknown command/],
  ])('%j fails with 1', async (args, message) => {
    const { exitCode, err } = await control(args);
    expect(exitCode).toBe(1);
    expect(err).toMatch(message);
  });

  it('describes itself', async () => {
    const { exitCode, out } = await control(['--help']);
    expect(exitCode).toBe(0);
    for (const name of ['version', 'update-config', 'update-cert', 'create-session', 'list-artifacts'])
      expect(out).toContain(name);
  });
});
