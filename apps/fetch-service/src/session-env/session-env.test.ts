import { execFileSync } from 'node:child_process';
import { mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createRootCa } from '@waybill/ca';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { runFetchctl } from '../cli/fetchctl-program.js';
import { type EnvFormat, renderEnv } from './render-env.js';
import { parseCreated } from './session-credentials.js';

let dir: string;
beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'waybill-env-'));
  await writeFile(join(dir, 'ca.pem'), (await createRootCa({})).certificatePem);
  await writeFile(join(dir, 'token'), 'tok/en\n');
});
afterEach(() => rm(dir, { recursive: true }));

async function fetchctl(args: readonly string[], environment: Record<string, string> = {}) {
  let [out, err] = ['', ''];
  const sinks = {
    out(text: string) {
      out += text;
    },
    err(text: string) {
      err += text;
    },
  };
  const code = await runFetchctl(args, sinks, { WAYBILL_RUNTIME_DIR: dir, ...environment });
  return { code, out, err };
}
const place = () => [
  '--dir',
  join(dir, 'clients'),
  '--ca',
  join(dir, 'ca.pem'),
  '--proxy',
  'http://build.example:9988',
];
const url = 'http://mine:tok%2Fen@build.example:9988';

describe('fetchctl env', () => {
  it('gives what clients need, and what has to go, as JSON', async () => {
    const args = ['env', 'mine', '--token-file', join(dir, 'token'), '--format', 'json', ...place()];
    const { code, out } = await fetchctl(args, { NO_PROXY: '*', GOINSECURE: '*', 'NPM_CONFIG_HTTPS-PROXY': 'x' });
    expect(code).toBe(0);
    const { env, unset, files } = JSON.parse(out);
    expect(env).toMatchObject({
      https_proxy: url,
      NO_PROXY: '',
      SSL_CERT_FILE: join(dir, 'clients/ca-bundle.pem'),
      CRAFT_USE_EXTERNAL_FETCH_SERVICE: '1',
      CRAFT_PROXY_CERT: join(dir, 'clients/ca.pem'),
    });
    expect(unset).toEqual(['GOINSECURE', 'NPM_CONFIG_HTTPS-PROXY']);
    expect((await stat(join(dir, 'clients'))).mode & 0o777).toBe(0o700);
    for (const file of files as string[]) {
      if (/tok(?:\/|%2F)en/.test(await readFile(file, 'utf8'))) expect((await stat(file)).mode & 0o777).toBe(0o600);
    }
  });

  it('can be evaluated by a shell, whatever stands in the values', async () => {
    const { out } = await fetchctl(['env', 'mine', '--path-inside', "/it's $(id) here", ...place()], {
      FETCH_SESSION_TOKEN: 'tok/en',
      GOINSECURE: '*',
    });
    await writeFile(join(dir, 'env.sh'), out);
    const script = `. ${dir}/env.sh; printf '%s\\n' "$SSL_CERT_FILE" "$https_proxy" "\${GOINSECURE-gone}"`;
    expect(execFileSync('sh', ['-euc', script], { encoding: 'utf8', env: { GOINSECURE: '*' } })).toBe(
      `/it's $(id) here/ca-bundle.pem\n${url}\ngone\n`,
    );
    expect(out).not.toContain('FETCH_SESSION_TOKEN');
  });

  it('dotenv: bare values where they can be, and what to remove as remarks', async () => {
    const { out } = await fetchctl(['env', 'mine', '--format', 'dotenv', '--path-inside', '/session', ...place()], {
      FETCH_SESSION_TOKEN: 'tok/en',
      GOINSECURE: '*',
    });
    const lines = out.split('\n');
    expect(lines[0]).toMatch(/^# remove GOINSECURE: it switches checks off/);
    expect(lines).toEqual(
      expect.arrayContaining([`https_proxy=${url}`, 'SSL_CERT_FILE=/session/ca-bundle.pem', 'NO_PROXY=']),
    );
  });

  it.each([
    ['no token', ['env', 'mine'], /token of session mine is missing/],
    ['a token on the command line', ['env', 'mine:secret'], /expected the id of a session/],
    ['credentials in --proxy', ['env', 'mine', '--proxy', 'http://a:secret@x:1'], /the proxy is not of the form/],
    ['a CA that is not there', ['env', 'mine', '--ca', '/nonexistent.pem'], /nonexistent\.pem cannot be read/],
    ['a CA that is none', ['env', 'mine', '--ca', '/etc/hostname'], /is not a PEM certificate/],
  ])('%s: says what to do, and not the secret', async (what, args, message) => {
    const more = what === 'no token' ? {} : { FETCH_SESSION_TOKEN: 'secret' };
    const { code, err, out } = await fetchctl([...args.slice(0, 2), ...place(), ...args.slice(2)], more);
    expect([code, out]).toEqual([1, '']);
    expect(err).toMatch(message);
    expect(err).not.toContain('secret');
  });

  it('without a daemon of this user wants to be told where it is', async () => {
    const { err } = await fetchctl(['env', 'mine', '--dir', join(dir, 'c')], { FETCH_SESSION_TOKEN: 't' });
    expect(err).toMatch(/no fetch-service of this user is known[\s\S]*--proxy http:\/\/HOST:PORT --ca FILE/);
  });
});

describe('a created session', () => {
  it.each(['{"id":"a","token":"b","more":1}', 'session a:b created (strict)\n'])('%j', (text) => {
    expect(parseCreated(text)).toEqual({ id: 'a', token: 'b' });
  });

  it.each(['', '{}', '{"id":"a"}', 'session secret', '[]', 'null'])('%j is none', (text) => {
    expect(() => parseCreated(text)).toThrow(/standard input holds no session/);
  });
});

it.each<[EnvFormat, string]>([
  ['shell', `export A='it'\\''s "$x"'\n`],
  ['dotenv', `A="it's \\"\\$x\\""\n`],
])('%s quotes', (format, text) => {
  expect(renderEnv({ env: { A: `it's "$x"` }, unset: [], files: [] }, format)).toBe(text);
});
