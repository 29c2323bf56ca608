import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { sessionReportSchema, statusResponseSchema } from '@waybill/contracts';
import { type HttpUpstream, startHttpUpstream } from '@waybill/testkit';
import { beforeAll, describe, expect, it } from 'vitest';
import { curl, type ProxyAccess } from './harness/curl.js';
import { type Daemon, startDaemon } from './harness/daemon.js';
import { keepForFile } from './harness/keep.js';
import { sha256 } from './harness/report.js';
import { run } from './harness/run.js';

/** The control API as existing clients call it, by curl. specs/fetch-service.md §2 */
const keep = keepForFile();
let upstream: HttpUpstream;
let daemon: Daemon;
let api: string;
let auth: readonly string[];

beforeAll(async () => {
  upstream = keep(await startHttpUpstream((_request, response) => void response.end('file')));
  const files = [{ url: `${upstream.url}/**`, sha256: sha256('file') }];
  // What an earlier session stored would make the second of two equal sessions differ from the first.
  daemon = keep(await startDaemon({ inspectors: { generic: { files }, limits: { reuse: 'off' } } }));
  api = daemon.runtime['control-url'];
  auth = ['--user', daemon.runtime.auth];
});

/** Status and body, and nothing sent that was not asked for. */
async function ask(path: string, ...args: string[]): Promise<{ status: number; text: string; json: () => unknown }> {
  const { stdout } = await run('curl', ['--disable', '--silent', '--write-out', '\n%{http_code}', ...args, api + path]);
  const at = stdout.lastIndexOf('\n');
  const text = stdout.slice(0, at);
  return { status: Number(stdout.slice(at + 1)), text, json: () => JSON.parse(text) };
}

async function create(body: unknown = {}): Promise<{ id: string; token: string }> {
  const created = await ask('/session', ...auth, '--data', JSON.stringify(body));
  expect(created.status, created.text).toBe(200);
  return created.json() as { id: string; token: string };
}

function accessTo(created: { id: string; token: string }): ProxyAccess {
  return { ...created, proxyOrigin: daemon.runtime['proxy-url'], caFile: daemon.runtime['ca-file'] };
}

describe('the life of a session', () => {
  it('create, download, revoke, report, end, delete', async () => {
    const created = await create({ policy: 'strict' });
    expect(Object.keys(created)).toEqual(['id', 'token']);
    const { id, token } = created;
    expect(id).toMatch(/^[0-9a-f]{32}$/);
    expect(token).toMatch(/^[A-Za-z0-9]{20,}$/);

    const status = statusResponseSchema.parse((await ask('/status')).json());
    expect(status['active-sessions']).toContainEqual(
      expect.objectContaining({ 'session-id': id, policy: 'strict', timeout: 6 * 60 * 60 }),
    );
    const session = accessTo(created);
    const got = await curl(session, `${upstream.url}/file`);
    expect(got).toMatchObject({ code: 0, status: 200, text: 'file' });

    expect(await ask(`/session/${id}`, ...auth)).toMatchObject({ status: 400, text: 'session token is active' });
    expect(await ask(`/resources/${id}`, ...auth, '-X', 'DELETE')).toMatchObject({ status: 409 });

    const wrong = await ask(`/session/${id}/token`, '-X', 'DELETE', '--data', '{"token":"wrong"}');
    expect(wrong).toMatchObject({ status: 400, text: 'invalid session token' });
    // No credentials: the token itself is the proof, and twice is fine.
    for (let times = 0; times < 2; times++) {
      const revoked = await ask(`/session/${id}/token`, '-X', 'DELETE', '--data', JSON.stringify({ token }));
      expect(revoked.status).toBe(200);
      expect(revoked.json()).toMatchObject({ 'session-id': id, 'spool-path': join(daemon.dir, 'spool') });
    }

    // Clients send a body with GET, and any content type.
    const report = await ask(`/session/${id}`, ...auth, '-X', 'GET', '--data', '{}');
    expect(report.status).toBe(200);
    expect(sessionReportSchema.strict().parse(report.json())).toMatchObject({
      'session-id': id,
      policy: 'strict',
      state: 'revoked',
      artifacts: [{ result: 'Approved', metadata: { sha256: sha256('file') } }],
    });
    expect((await ask(`/session/${id}`, ...auth)).text).toBe(report.text);

    expect(await ask(`/session/${id}`, ...auth, '-X', 'DELETE')).toMatchObject({ status: 200, text: '' });
    expect(await ask(`/session/${id}`, ...auth)).toMatchObject({ status: 404, text: '404 Not Found' });
    const spool = join(daemon.dir, 'spool', id);
    expect((await readdir(join(spool, 'assets'))).sort()).toEqual([`${sha256('file')}.data`, `${sha256('file')}.json`]);
    expect(await readFile(join(spool, 'assets', `${sha256('file')}.data`), 'utf8')).toBe('file');
    expect(JSON.parse(await readFile(join(spool, 'session.json'), 'utf8'))).toMatchObject({ 'session-id': id });

    expect(await ask(`/resources/${id}`, ...auth, '-X', 'DELETE')).toMatchObject({ status: 200, text: '' });
    expect(await readdir(join(daemon.dir, 'spool'))).not.toContain(id);
    expect(await ask(`/resources/${id}`, ...auth, '-X', 'DELETE')).toMatchObject({ status: 200, text: '' });
  });

  it('the same traffic gives the same report, but for times and names (promise 8)', async () => {
    const texts = [];
    for (let times = 0; times < 2; times++) {
      const { id, token } = await create();
      const session = accessTo({ id, token });
      for (const path of ['/b', '/a', '/c']) await curl(session, upstream.url + path);
      await ask(`/session/${id}/token`, '-X', 'DELETE', '--data', JSON.stringify({ token }));
      const { text } = await ask(`/session/${id}`, ...auth);
      for (const [time] of text.matchAll(/"[a-z-]*time":"[^"]*"/g))
        expect(time).toMatch(/:"\d{4}-\d\d-\d\dT[\d:.]+Z"$/);
      texts.push(
        text.replaceAll(id, '<id>').replace(/"[a-z-]*time":"[^"]*"|"address":"[^"]*"|"date":\["[^"]*"\]/g, '…'),
      );
    }
    expect(texts[0]).toBe(texts[1]);
  });
});

describe('what is refused', () => {
  it.each([
    ['nobody', []],
    ['a wrong password', ['--user', 'craft:wrong']],
    ['empty credentials', ['--user', ':']],
    ['another scheme', ['-H', 'Authorization: Bearer x']],
  ])('%s: 401 without a challenge', async (_name, args) => {
    const answer = await ask('/session', '--include', ...args, '--data', '{}');
    expect(answer.status).toBe(401);
    expect(answer.text).toMatch(/401 Unauthorized$/);
    expect(answer.text.toLowerCase()).not.toContain('www-authenticate');
  });

  it.each([
    ['no body', [], 400],
    ['no JSON', ['--data', 'policy=strict'], 400],
    ['a negative timeout', ['--data', '{"timeout":-1}'], 400],
    ['a timeout that is no number', ['--data', '{"timeout":"1h"}'], 400],
    ['a secret of no type', ['--data', '{"secrets":[{"url":"https://a.example:443/**"}]}'], 400],
    ['a section that cannot be', ['--data', '{"inspectors-configuration":{"git":{"urls":7}}}'], 400],
  ])('%s', async (_name, args, status) => {
    const answer = await ask('/session', ...auth, '-X', 'POST', ...args);
    expect(answer.status).toBe(status);
    expect(answer.text.length).toBeGreaterThan(5);
    expect(answer.text).not.toMatch(/\n\s+at /);
  });

  it.each([
    ['/session/0123', 404],
    [`/session/${'0'.repeat(32)}`, 404],
    ['/session/..%2f..%2fetc', 404],
    ['/nothing', 404],
  ])('GET %s: %d', async (path, status) => {
    expect((await ask(path, ...auth)).status).toBe(status);
  });

  it('another method: 405; a trailing slash: 301', async () => {
    expect((await ask('/session', ...auth, '-X', 'PUT', '--data', '{}')).status).toBe(405);
    expect((await ask('/status/')).status).toBe(301);
    expect((await ask('/status/', '--location')).status).toBe(200);
  });
});

describe('what is open', () => {
  it.each(['/status', '/healthz', '/readyz', '/metrics', '/openapi.json', '/ca.pem'])('%s', async (path) => {
    expect((await ask(path)).status).toBe(200);
  });

  it('events of a live session follow its downloads', async () => {
    const { id, token } = await create();
    const session = accessTo({ id, token });
    const following = run('curl', [
      '--disable',
      '--silent',
      '--no-buffer',
      '--max-time',
      '60',
      ...auth,
      `${api}/session/${id}/events`,
    ]);
    for (let n = 0; n < 5; n++) await curl(session, `${upstream.url}/${n}`);
    await ask(`/session/${id}/token`, '-X', 'DELETE', '--data', JSON.stringify({ token }));
    const { stdout, code } = await following;
    expect(code).toBe(0);
    expect(stdout).toContain('event: download\ndata: {');
    expect(stdout).toContain(`"sha256":"${sha256('file')}"`);
    expect(stdout).toMatch(/event: end\ndata: \{\}\n\n$/);
  });
});
