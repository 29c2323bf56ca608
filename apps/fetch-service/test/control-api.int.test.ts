import { readdir, readFile } from 'node:fs/promises';
import { runProgram } from '@waybill/testkit';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createWorkplace, type RunningDaemon, type Workplace } from './daemon.js';

let workplace: Workplace;
let daemon: RunningDaemon;
let url: string;

beforeAll(async () => {
  workplace = await createWorkplace();
  daemon = await workplace.start();
  url = daemon.runtime['control-url'];
});
afterAll(() => workplace.remove());

/** curl as shell users call it: body and status. */
async function curl(...args: string[]): Promise<string> {
  const { stdout } = await runProgram('curl', ['-s', '-w', ' %{http_code}', ...args], {
    env: { PATH: process.env.PATH ?? '' },
  });
  return stdout;
}

describe('the six calls of craft clients, by curl', () => {
  it('work in their order with their bodies', async () => {
    const client = ['-u', 'craft:craft', '-H', 'Content-type: application/json'];
    expect(await curl(...client, `${url}/status`)).toMatch(/^\{"uptime":\d+,.*"active-sessions":\[\]\} 200$/);
    const created = await curl(...client, '-X', 'POST', '-d', '{"policy": "strict"}', `${url}/session`);
    const { id, token } = JSON.parse(created.replace(/ 200$/, ''));
    expect(created).toBe(`{"id":"${id}","token":"${token}"} 200`);
    const revoked = await curl(
      ...client,
      '-X',
      'DELETE',
      '-d',
      JSON.stringify({ token }),
      `${url}/session/${id}/token`,
    );
    expect(Object.keys(JSON.parse(revoked.replace(/ 200$/, '')))).toEqual([
      'session-id',
      'start-time',
      'end-time',
      'spool-path',
    ]);
    const report = await curl(...client, '-X', 'GET', '-d', '{}', `${url}/session/${id}`);
    expect(JSON.parse(report.replace(/ 200$/, ''))).toMatchObject({
      'session-id': id,
      policy: 'strict',
      artifacts: [],
    });
    expect(await curl(...client, '-X', 'DELETE', `${url}/session/${id}`)).toBe(' 200');
    expect(await readdir(workplace.path(`spool/${id}`))).toEqual(expect.arrayContaining(['session.json', 'assets']));
    expect(await curl(...client, '-X', 'DELETE', `${url}/resources/${id}`)).toBe(' 200');
    expect(await readdir(workplace.path('spool'))).not.toContain(id);
    expect(await curl(...client, `${url}/status`)).toContain('"active-sessions":[]');
  });

  it('work as the farm and its builders call them', async () => {
    // The builder revokes without credentials and with curl's form type; the manager streams the report.
    const created = JSON.parse(
      (await curl('-u', 'craft:craft', '-d', '{"policy": "strict"}', `${url}/session`)).replace(/ 200$/, ''),
    );
    const token = JSON.stringify({ token: created.token });
    expect(await curl('-X', 'DELETE', '-d', token, `${url}/session/${created.id}/token`)).toMatch(/ 200$/);
    expect(await curl('-X', 'DELETE', '-d', token, `${url}/session/${created.id}/token`)).toMatch(/ 200$/);
    expect(await curl('-u', 'craft:craft', `${url}/session/${created.id}`)).toMatch(/ 200$/);
    expect(await curl('-u', 'craft:craft', '-X', 'DELETE', `${url}/session/${created.id}`)).toBe(' 200');
  });

  it('follow a redirect of a trailing slash', async () => {
    expect(await curl('-o', '/dev/null', `${url}/status/`)).toBe(' 301');
    expect(await curl('-L', `${url}/status/`)).toMatch(/^\{"uptime".* 200$/);
  });
});

describe('credentials', () => {
  it.each([
    ['none', []],
    ['wrong ones', ['-u', 'craft:wrong']],
    ['empty ones', ['-u', ':']],
  ])('%s are refused without a challenge', async (_name, args) => {
    const answer = await curl('-i', ...args, '-d', '{}', `${url}/session`);
    expect(answer).toMatch(/^HTTP\/1\.1 401 /);
    expect(answer.toLowerCase()).not.toContain('www-authenticate');
    expect(answer).toMatch(/401 Unauthorized 401$/);
  });

  it('are not asked for where the API is open', async () => {
    for (const path of ['/status', '/healthz', '/readyz', '/metrics', '/openapi.json', '/ca.pem']) {
      expect(await curl('-o', '/dev/null', `${url}${path}`)).toBe(' 200');
    }
    expect(await curl(`${url}/ca.pem`)).toContain((await readFile(daemon.runtime['ca-file'], 'utf8')).trim());
  });
});

describe('secrets', () => {
  const secret = (fields: object) => JSON.stringify({ secrets: [fields] });
  const at = 'https://git.example:443/**';

  it.each([
    ['basic', secret({ type: 'basic-auth', url: at, 'basic-credentials': 'user:password' }), / 200$/],
    ['macaroon', secret({ type: 'macaroon', url: at, 'macaroon-credentials': 'abc' }), / 200$/],
    ['missing type', secret({ url: at, 'basic-credentials': 'user:password' }), /^Invalid secret: missing type 400$/],
    [
      'missing url',
      secret({ type: 'basic-auth', 'basic-credentials': 'user:password' }),
      /^Invalid secret: missing url 400$/,
    ],
    [
      'invalid type',
      secret({ type: 'other', url: at, 'basic-credentials': 'user:password' }),
      /^Invalid secret: invalid type 400$/,
    ],
    [
      'missing basic credentials',
      secret({ type: 'basic-auth', url: at }),
      /^Invalid secret: missing credentials for 'basic-auth' 400$/,
    ],
    [
      'missing macaroon credentials',
      secret({ type: 'macaroon', url: at }),
      /^Invalid secret: missing credentials for 'macaroon' 400$/,
    ],
  ])('are validated: %s', async (_name, body, expected) => {
    expect(await curl('-u', 'craft:craft', '-d', body, `${url}/session`)).toMatch(expected);
  });
});

describe('sessions that are refused', () => {
  it('permissive ones, unless the service was started for them', async () => {
    expect(await curl('-u', 'craft:craft', '-d', '{"policy": "permissive"}', `${url}/session`)).toBe(
      'Invalid session policy 400',
    );
  });

  it('ones with a configuration that cannot stand', async () => {
    const body = JSON.stringify({ 'inspectors-configuration': { git: { urls: ['https://['] }, gti: {} } });
    const answer = await curl('-u', 'craft:craft', '-d', body, `${url}/session`);
    expect(answer).toMatch(/^inspectors-configuration: gti: unknown section[\s\S]* 400$/);
  });
});
