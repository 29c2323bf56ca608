import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { sessionReportSchema, silentLogger } from '@waybill/contracts';
import type { FastifyInstance, InjectOptions } from 'fastify';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import {
  download,
  listedSecurity,
  memoryBlobs,
  memoryStore,
  movableClock,
  noInspectors,
  refusal,
} from '../../test/fakes.js';
import { FetchServiceError } from '../errors.js';
import { createServiceMetrics } from '../metrics/service-metrics.js';
import { loadSessionManager, type SessionManager } from '../sessions/session-manager.js';
import { createSpool } from '../sessions/spool.js';
import { parseCredentials } from './credentials.js';
import { createControlServer } from './server.js';
import { createSessionEvents } from './session-events.js';

let isRetiring = false;
let app: FastifyInstance;
let sessions: SessionManager;
let root: string;
let store: ReturnType<typeof memoryStore>;
let security: ReturnType<typeof listedSecurity>;
let activity: number;
let ready: () => Promise<void>;
let sectionsSeen: unknown;

const clock = movableClock();
const authorization = `Basic ${Buffer.from('craft:craft').toString('base64')}`;
const events = createSessionEvents();

beforeEach(async () => {
  isRetiring = false;
  root = await mkdtemp(join(tmpdir(), 'waybill-control-'));
  store = memoryStore();
  security = listedSecurity();
  activity = 0;
  ready = async () => {};
  sessions = await loadSessionManager({
    store,
    spool: createSpool(root, memoryBlobs()),
    inspectors: noInspectors,
    configuration: {
      async forSession(sections) {
        sectionsSeen = sections;
        if (sections === 'bad') throw new FetchServiceError('FETCH_REQUEST_INVALID', 'inspectors-configuration: no');
        return {};
      },
    },
    isPermissiveAllowed: false,
    discardBlobs: async () => {},
    onStopped: (id) => events.end(id),
    clock,
    logger: silentLogger,
    security,
  });
  app = await createControlServer({
    sessions,
    events,
    credentials: parseCredentials('craft:craft'),
    spoolRoot: root,
    startedAt: clock.now(),
    createdCount: async () => sessions.createdCount,
    isRetiring: () => isRetiring,
    caPem: () => 'PEM',
    checkReady: () => ready(),
    metrics: createServiceMetrics(),
    onActivity: () => activity++,
    clock,
    logger: silentLogger,
    security,
  });
});

afterEach(async () => {
  await app.close();
  await sessions.close();
  await rm(root, { recursive: true });
});

async function call(options: InjectOptions & { anonymous?: boolean }) {
  const { anonymous, ...rest } = options;
  return app.inject({ ...rest, headers: { ...(anonymous ? {} : { authorization }), ...rest.headers } });
}

async function created(body: object = {}): Promise<{ id: string; token: string }> {
  return (await call({ method: 'POST', url: '/session', payload: body })).json();
}

describe('the calls of the craft clients, in their order', () => {
  it('status, create, revoke, report, end, delete', async () => {
    const json = { 'content-type': 'application/json' };
    const status = await call({ method: 'GET', url: '/status', headers: json, anonymous: true });
    expect(status.statusCode).toBe(200);
    expect(status.json()).toEqual({
      uptime: 0,
      'start-time': clock.now().toISOString(),
      'session-count': 0,
      'active-sessions': [],
    });

    const create = await call({ method: 'POST', url: '/session', payload: '{"policy": "strict"}', headers: json });
    expect(create.statusCode).toBe(200);
    expect(Object.keys(create.json()).sort()).toEqual(['id', 'token']);
    const { id, token } = create.json();
    expect((await call({ method: 'GET', url: '/status' })).json()['active-sessions']).toEqual([
      { 'session-id': id, 'start-time': clock.now().toISOString(), policy: 'strict', age: 0, timeout: 21600 },
    ]);
    const early = await call({ method: 'GET', url: `/session/${id}`, payload: '{}', headers: json });
    expect([early.statusCode, early.body]).toEqual([400, 'session token is active']);

    const revoke = await call({
      method: 'DELETE',
      url: `/session/${id}/token`,
      payload: JSON.stringify({ token }),
      headers: json,
      anonymous: true,
    });
    expect([revoke.statusCode, revoke.json()]).toEqual([
      200,
      {
        'session-id': id,
        'start-time': clock.now().toISOString(),
        'end-time': clock.now().toISOString(),
        'spool-path': root,
      },
    ]);

    const report = await call({ method: 'GET', url: `/session/${id}`, payload: '{}', headers: json });
    expect(report.statusCode).toBe(200);
    expect(sessionReportSchema.parse(report.json())).toMatchObject({
      'session-id': id,
      artifacts: [],
      'spool-path': join(root, id),
    });

    const end = await call({ method: 'DELETE', url: `/session/${id}`, headers: json });
    expect([end.statusCode, end.body]).toEqual([200, '']);
    const resources = await call({ method: 'DELETE', url: `/resources/${id}`, headers: json });
    expect([resources.statusCode, resources.body]).toEqual([200, '']);
    expect((await call({ method: 'GET', url: '/status' })).json()).toMatchObject({
      'session-count': 1,
      'active-sessions': [],
    });
  });

  it.each([
    ["curl's form type", 'application/x-www-form-urlencoded'],
    ['no JSON type', 'text/plain'],
    ['a broken type', 'not a type;;;='],
    ['no type at all', undefined],
  ])('takes a body with %s', async (_name, type) => {
    const headers = type === undefined ? {} : { 'content-type': type };
    const create = await call({ method: 'POST', url: '/session', payload: Buffer.from('{}'), headers });
    expect(create.statusCode).toBe(200);
    const { id, token } = create.json();
    const revoke = await call({
      method: 'DELETE',
      url: `/session/${id}/token`,
      payload: Buffer.from(JSON.stringify({ token })),
      headers,
    });
    expect(revoke.statusCode).toBe(200);
  });
});

describe('POST /session', () => {
  it.each<[string, string, string | RegExp]>([
    ['no body', '', 'expected a JSON object, the body is empty'],
    ['no JSON', '{"policy": ', /^the body is not valid JSON/],
    ['another value', '[]', 'expected object, received array'],
    ['a negative timeout', '{"timeout": -1}', /^timeout: /],
    ['a fraction', '{"timeout": 1.5}', /^timeout: /],
    ['a text for a number', '{"timeout": "60"}', /^timeout: /],
    ['a permissive policy', '{"policy": "permissive"}', 'Invalid session policy'],
    ['a secret without type', '{"secrets": [{"url": "https://a:443/**"}]}', 'Invalid secret: missing type'],
    ['sections that are wrong', '{"inspectors-configuration": "bad"}', 'inspectors-configuration: no'],
  ])('refuses %s', async (_name, payload, text) => {
    const answer = await call({ method: 'POST', url: '/session', payload: Buffer.from(payload) });
    expect(answer.statusCode).toBe(400);
    expect(answer.headers['content-type']).toBe('text/plain; charset=utf-8');
    expect(answer.body).toMatch(text);
    expect(store.sessions.size).toBe(0);
  });

  it('does not repeat a secret of a broken body', async () => {
    const answer = await call({
      method: 'POST',
      url: '/session',
      payload: Buffer.from('{"secrets": [{"basic-credentials": "u:hunter2"'),
    });
    expect(answer.body).not.toContain('hunter2');
  });

  it.each<[string, object, object]>([
    ['any policy but permissive is strict', { policy: 'whatever' }, { policy: 'strict' }],
    ['unknown keys are ignored', { colour: 'red' }, { policy: 'strict' }],
    [
      'null counts as absent',
      { timeout: null, policy: null, secrets: null, 'inspectors-configuration': null },
      { policy: 'strict' },
    ],
  ])('%s', async (_name, body, expected) => {
    const { id } = await created(body);
    expect(store.sessions.get(id)).toMatchObject(expected);
  });

  it('hands sections to the configuration, and a life in seconds', async () => {
    const { id } = await created({ timeout: 90, 'inspectors-configuration': { git: { urls: [] } } });
    expect(sectionsSeen).toEqual({ git: { urls: [] } });
    const record = store.sessions.get(id);
    expect((record?.expiresAt.getTime() ?? 0) - (record?.createdAt.getTime() ?? 0)).toBe(90_000);
  });
});

describe('errors', () => {
  it.each([
    ['nothing', undefined],
    ['another password', `Basic ${Buffer.from('craft:wrong').toString('base64')}`],
    ['empty credentials', `Basic ${Buffer.from(':').toString('base64')}`],
    ['another scheme', 'Bearer Y3JhZnQ6Y3JhZnQ='],
    ['no base64', 'Basic ???'],
    ['the scheme alone', 'Basic'],
  ])('401 without a challenge for %s', async (_name, header) => {
    const answer = await app.inject({
      method: 'POST',
      url: '/session',
      payload: '{}',
      headers: header ? { authorization: header } : {},
    });
    expect([answer.statusCode, answer.body]).toEqual([401, '401 Unauthorized']);
    expect(answer.headers).not.toHaveProperty('www-authenticate');
    expect(security.names.some((name) => name.startsWith('authn_login_fail:'))).toBe(true);
  });

  it('takes the scheme in any case', async () => {
    const answer = await call({
      method: 'POST',
      url: '/session',
      payload: '{}',
      headers: { authorization: authorization.replace('Basic', 'basic') },
    });
    expect(answer.statusCode).toBe(200);
  });

  it.each<['GET' | 'DELETE', string, object | undefined]>([
    ['GET', '/session/ffffffffffffffffffffffffffffffff', undefined],
    ['DELETE', '/session/ffffffffffffffffffffffffffffffff', undefined],
    ['DELETE', '/session/ffffffffffffffffffffffffffffffff/token', { token: 'x' }],
    ['GET', '/session/..%2f..%2fetc', undefined],
    ['DELETE', '/session/%00', undefined],
    ['GET', '/session/__proto__', undefined],
    ['GET', '/nothing', undefined],
    ['GET', '/session/a/b/c', undefined],
  ])('404 for %s %s', async (method, url, payload) => {
    const answer = await call({ method, url, ...(payload ? { payload } : {}) });
    expect([answer.statusCode, answer.body]).toEqual([404, '404 Not Found']);
  });

  it.each<['GET' | 'PUT' | 'POST', string, string]>([
    ['GET', '/session', 'POST'],
    ['PUT', '/session/x', 'GET, HEAD, DELETE'],
    ['GET', '/session/x/token', 'DELETE'],
    ['POST', '/status', 'GET, HEAD'],
  ])('405 for %s %s', async (method, url, allow) => {
    const answer = await call({ method, url });
    expect([answer.statusCode, answer.headers.allow]).toEqual([405, allow]);
  });

  it.each([
    ['/session/', '/session'],
    ['/status/', '/status'],
    ['/session/abc/', '/session/abc'],
    ['/session/abc/token/?x=/', '/session/abc/token?x=/'],
  ])('301 from %s to %s', async (from, to) => {
    const answer = await call({ method: 'DELETE', url: from });
    expect([answer.statusCode, answer.headers.location]).toEqual([301, to]);
  });

  it('never redirects to another host', async () => {
    for (const url of ['//evil.example/', '//evil.example/session/', '/\\evil.example/']) {
      expect((await call({ method: 'GET', url })).statusCode).toBe(404);
    }
  });

  it('400 for a wrong token, and for a body that is no JSON', async () => {
    const { id } = await created();
    const wrong = await call({
      method: 'DELETE',
      url: `/session/${id}/token`,
      payload: { token: 'no' },
      anonymous: true,
    });
    expect([wrong.statusCode, wrong.body]).toEqual([400, 'invalid session token']);
    for (const payload of ['', 'x', '{}', '{"token": 7}']) {
      const answer = await call({
        method: 'DELETE',
        url: `/session/${id}/token`,
        payload: Buffer.from(payload),
        anonymous: true,
      });
      expect(answer.statusCode).toBe(400);
    }
  });

  it('409 for resources of a session that exists', async () => {
    const { id, token } = await created();
    expect((await call({ method: 'DELETE', url: `/resources/${id}` })).statusCode).toBe(409);
    await sessions.revoke(id, token);
    expect((await call({ method: 'DELETE', url: `/resources/${id}` })).body).toBe('session is not finished');
    await sessions.end(id);
    expect((await call({ method: 'DELETE', url: `/resources/${id}` })).statusCode).toBe(200);
    expect((await call({ method: 'DELETE', url: '/resources/..%2f' })).statusCode).toBe(200);
  });

  it('413 for a body without end', async () => {
    const answer = await call({ method: 'POST', url: '/session', payload: Buffer.alloc(9 << 20, 0x20) });
    expect(answer.statusCode).toBe(413);
  });

  it('500 says what of ours failed and nothing of other errors', async () => {
    const { id } = await created();
    store.listSessions = async () => [];
    store.transition = async () => {
      throw new Error('/var/secret/path');
    };
    expect((await call({ method: 'DELETE', url: `/session/${id}` })).body).toBe('500 Internal Server Error');
    store.transition = async () => {
      throw new FetchServiceError('FETCH_SPOOL_WRITE_FAILED', 'the disk is full');
    };
    const answer = await call({ method: 'DELETE', url: `/session/${id}` });
    expect([answer.statusCode, answer.body]).toEqual([
      500,
      '500 Internal Server Error: the disk is full (FETCH_SPOOL_WRITE_FAILED)',
    ]);
  });

  it('500 when a report cannot be begun', async () => {
    const { id, token } = await created();
    await sessions.revoke(id, token);
    for (let n = 0; n < 200; n++) await store.record([download(id, n.toString(16).padStart(64, '0'))]);
    store.artifacts = () => ({
      [Symbol.asyncIterator]: () => ({ next: () => Promise.reject(new Error('unreadable')) }),
    });
    expect((await call({ method: 'GET', url: `/session/${id}` })).statusCode).toBe(500);
  });
});

describe('report', () => {
  it('can be read again, and after the time was over', async () => {
    const { id, token } = await created();
    await store.record([download(id, 'a'.repeat(64)), refusal(id)]);
    await sessions.revoke(id, token);
    const first = await call({ method: 'GET', url: `/session/${id}` });
    expect(first.headers['content-type']).toBe('application/json; charset=utf-8');
    expect((await call({ method: 'GET', url: `/session/${id}` })).body).toBe(first.body);
    expect(first.body).toContain('<script>&');
    const record = store.sessions.get('x') ?? store.sessions.get(id);
    // Its time ended it: one that was revoked before says so for ever.
    if (record) store.sessions.set('old', { ...record, id: 'old', state: 'expired', endedAt: record.expiresAt });
    expect((await call({ method: 'GET', url: '/session/old' })).json()).toMatchObject({ state: 'expired' });
  });
});

describe('our own resources', () => {
  it('answer probes without credentials and without counting as use', async () => {
    const before = activity;
    expect((await call({ method: 'GET', url: '/healthz', anonymous: true })).body).toBe('ok\n');
    expect((await call({ method: 'GET', url: '/readyz', anonymous: true })).statusCode).toBe(200);
    ready = async () => {
      throw new Error('password=hunter2');
    };
    const notReady = await call({ method: 'GET', url: '/readyz', anonymous: true });
    expect([notReady.statusCode, notReady.body]).toEqual([503, 'not ready; the log says why\n']);
    expect((await call({ method: 'GET', url: '/ca.pem', anonymous: true })).body).toBe('PEM');
    expect(activity).toBe(before);
    await call({ method: 'GET', url: '/status', anonymous: true });
    expect(activity).toBe(before + 1);
  });

  it('count requests by pattern and not by path', async () => {
    await call({ method: 'GET', url: '/session/one' });
    await call({ method: 'GET', url: '/session/two' });
    await call({ method: 'GET', url: '/elsewhere' });
    const { body } = await call({ method: 'GET', url: '/metrics', anonymous: true });
    expect(body).toMatch(/waybill_control_request_seconds_count\{route="\/session\/:id",method="GET",status="404"\} 2/);
    expect(body).toMatch(/route="unmatched"/);
    expect(body).not.toMatch(/elsewhere|\/session\/one/);
  });

  it('describe the API', async () => {
    const document = (await call({ method: 'GET', url: '/openapi.json', anonymous: true })).json();
    expect(document.openapi).toBe('3.1.0');
    expect(Object.keys(document.paths)).toEqual(
      expect.arrayContaining([
        '/status',
        '/session',
        '/session/{id}',
        '/session/{id}/token',
        '/resources/{id}',
        '/metrics',
      ]),
    );
    expect(Object.keys(document.paths['/session/{id}'])).toEqual(['get', 'delete']);
    expect(document.paths['/session'].post.security).toEqual([{ basic: [] }]);
    expect(document.paths['/session'].post.requestBody.content['application/json'].schema.properties).toHaveProperty(
      'timeout',
    );
  });

  it('follow a session until it is over', async () => {
    const { id, token } = await created();
    expect((await call({ method: 'GET', url: '/session/nobody/events' })).statusCode).toBe(404);
    const followed = call({ method: 'GET', url: `/session/${id}/events` });
    await new Promise((resolve) => setTimeout(resolve, 50));
    events.publish([download(id, 'a'.repeat(64)), download('other', 'b'.repeat(64)), refusal(id)]);
    await sessions.revoke(id, token);
    const answer = await followed;
    expect(answer.headers['content-type']).toContain('text/event-stream');
    const lines = answer.body.split('\n').filter((line) => line.startsWith('event: '));
    expect(lines).toEqual(['event: download', 'event: refusal', 'event: end']);
    expect(answer.body).not.toContain('b'.repeat(64));
    expect((await call({ method: 'GET', url: `/session/${id}/events` })).statusCode).toBe(404);
  });
});
