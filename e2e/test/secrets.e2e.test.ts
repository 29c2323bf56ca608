import { randomUUID } from 'node:crypto';
import { readdir, readFile } from 'node:fs/promises';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { join } from 'node:path';
import { createThrowawayCa, type HttpUpstream, startHttpsUpstream } from '@waybill/testkit';
import { beforeAll, describe, expect, it } from 'vitest';
import { curl } from './harness/curl.js';
import { type Daemon, startDaemon } from './harness/daemon.js';
import { keepForFile } from './harness/keep.js';
import { sha256 } from './harness/report.js';
import { createTempDir, type TempDir } from './harness/temp-dir.js';

/** Promise 6: credentials reach the upstream that their pattern names, and nobody and nothing else. */
const keep = keepForFile();
let named: HttpUpstream;
let other: HttpUpstream;
let daemon: Daemon;
let logs: TempDir;
const bodies: string[] = [];

const password = 'Pa55word-of-the-registry';
const macaroon = 'MDAxY2xvY2F0aW9uLW9mLXRoZS1tYWNhcm9vbg';
const ownPassword = 'the-clients-own-password';

beforeAll(async () => {
  const ca = await createThrowawayCa();
  const serve = async (request: IncomingMessage, response: ServerResponse) => {
    const body = Buffer.concat(await request.toArray());
    bodies.push(body.toString());
    if (request.url === '/moved') response.writeHead(302, { location: `${other.url}/after` }).end();
    else response.end('file');
  };
  named = keep(await startHttpsUpstream(serve, { ca }));
  other = keep(await startHttpsUpstream(serve, { ca }));
  logs = keep(await createTempDir());
  const files = [named, other].map(({ url }) => ({ url: `${url}/**`, sha256: sha256('file') }));
  daemon = keep(
    await startDaemon({
      upstreamCa: ca,
      inspectors: { generic: { files } },
      args: [
        '--verbosity=debug',
        `--log-file=${logs.at('service.log')}`,
        `--security-log-file=${logs.at('security.log')}`,
      ],
    }),
  );
});

const secretsFor = (url: string) => [
  { type: 'basic-auth', url: `${url}/basic/**`, 'basic-credentials': `robot:${password}` },
  { type: 'macaroon', url: `${url}/macaroon/**`, 'macaroon-credentials': macaroon },
  { type: 'keystone-v3', url: `${url}/keystone/**`, 'keystone-v3-credentials': `robot:${password}` },
  { type: 'basic-auth', url: `${url}/moved`, 'basic-credentials': `robot:${password}` },
];
const encoded = Buffer.from(`robot:${password}`).toString('base64');

describe('secrets of a session', () => {
  it.each(['strict', 'permissive'] as const)('%s: reach their upstream', async (policy) => {
    const session = await daemon.createSession(policy, { secrets: secretsFor(named.url) });
    const seen = async (path: string, ...args: string[]) => {
      // Another URL each time, or the stored answer is reused and nothing is asked.
      const got = await curl(session, `${named.url}${path}/${randomUUID()}`, args);
      expect(got, got.text).toMatchObject({ code: 0, status: 200 });
      expect(got.head + got.text).not.toMatch(new RegExp(`${password}|${encoded}|${macaroon}`));
      return named.requests.at(-1)?.header('authorization');
    };
    expect(await seen('/basic')).toBe(`Basic ${encoded}`);
    expect(await seen('/basic', '--user', `me:${ownPassword}`)).toBe(`Basic ${encoded}`);
    expect(await seen('/macaroon')).toBe(`macaroon ${macaroon}`);
    expect(await seen('/elsewhere')).toBeUndefined();
    expect(await seen('/elsewhere', '--user', `me:${ownPassword}`)).toMatch(/^Basic /);
    expect(named.requests.at(-1)?.header('proxy-authorization')).toBeUndefined();
    expect(named.requests.at(-1)?.rawHeaders.join('\n')).not.toContain(session.id);

    const report = JSON.stringify(await session.finish());
    for (const secret of [password, encoded, macaroon, ownPassword, session.token])
      expect(report).not.toContain(secret);
    expect(report).not.toContain(Buffer.from(`me:${ownPassword}`).toString('base64'));
  });

  it('a keystone token request gets the session’s identity', async () => {
    const session = await daemon.createSession('permissive', { secrets: secretsFor(named.url) });
    const identity = {
      methods: ['password'],
      password: { user: { name: 'nobody', password: 'none', domain: { id: 'd' } } },
    };
    const body = JSON.stringify({ auth: { identity, scope: { project: { id: 'p' } } } });
    const args = ['-H', 'Content-Type: application/json', '--data', body];
    const got = await curl(session, `${named.url}/keystone/tokens`, args);
    expect(got, got.text).toMatchObject({ code: 0, status: 200 });
    expect(JSON.parse(bodies.at(-1) ?? '')).toEqual({
      auth: {
        identity: {
          methods: ['password'],
          password: { user: { name: 'robot', password, domain: { id: 'd' } } },
        },
        scope: { project: { id: 'p' } },
      },
    });
    expect(JSON.stringify(await session.finish())).not.toContain(password);
  });

  it('do not follow a redirect to another host', async () => {
    const session = await daemon.createSession('strict', { secrets: secretsFor(named.url) });
    const got = await curl(session, `${named.url}/moved`, ['--location']);
    expect(got).toMatchObject({ code: 0, status: 200 });
    expect(named.requests.at(-1)?.header('authorization')).toBe(`Basic ${encoded}`);
    expect(other.requests.at(-1)).toMatchObject({ target: '/after' });
    expect(other.requests.at(-1)?.header('authorization')).toBeUndefined();
  });

  it('and tokens are in no log, and nowhere in the spool', async () => {
    const session = await daemon.createSession('strict', { secrets: secretsFor(named.url) });
    for (const path of ['/basic/y', '/macaroon/y', '/moved']) await curl(session, `${named.url}${path}`);
    await curl(session, `${named.url}/basic/z`, [], { proxyUser: `${session.id}:wrong-token-of-somebody` });
    await session.revoke();
    await curl(session, `${named.url}/basic/z`);
    await session.end();
    const open = await daemon.createSession('strict', { secrets: secretsFor(named.url) });
    await curl(open, `${named.url}/basic/y`);

    const forbidden = [
      ...[password, encoded, macaroon, ownPassword, session.token, open.token, daemon.runtime.auth],
      ...[session, open].map(({ id, token }) => Buffer.from(`${id}:${token}`).toString('base64')),
    ];
    const places = [join(daemon.dir, 'spool'), join(daemon.dir, 'config'), logs.path];
    const files = (await Promise.all(places.map(filesBelow))).flat();
    expect(files.filter((file) => file.endsWith('.log'))).toHaveLength(2);
    expect(files.filter((file) => file.includes(session.id)).length).toBeGreaterThan(0);
    expect(files.length).toBeGreaterThan(8);
    for (const file of files) {
      const bytes = await readFile(file);
      const found = forbidden.filter((secret) => bytes.includes(secret));
      expect(found, file).toEqual([]);
    }
    for (const secret of forbidden) expect(daemon.output()).not.toContain(secret);
  });
});

async function filesBelow(directory: string): Promise<string[]> {
  const entries = await readdir(directory, { recursive: true, withFileTypes: true });
  return entries.filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath, entry.name));
}
