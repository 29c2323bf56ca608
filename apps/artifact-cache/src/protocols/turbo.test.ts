import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { createHttpScene, type HttpScene, metric } from '../../test/http-scene.js';

let scene: HttpScene;
beforeEach(async () => {
  scene = await createHttpScene({ limits: { maxBlobBytes: 10_000 } });
});
afterEach(() => scene.close());

const body = Buffer.from('a packed tar');
const url = '/v8/artifacts/0123456789abcdef?slug=team';
const sent = {
  'content-type': 'application/octet-stream',
  'x-artifact-duration': '1234',
  'x-artifact-tag': 'b3BhcXVl+/=',
  'x-artifact-sha': '0f'.repeat(20),
  'x-artifact-dirty-hash': 'abc',
  'x-artifact-client-ci': 'GITHUB_ACTIONS',
  'x-artifact-client-interactive': '0',
};

function put(at = url, payload: Buffer = body, headers: Record<string, string> = sent, as = 'writer') {
  return scene.call({ method: 'PUT', url: at, payload, headers, as });
}

describe('the cache of Turborepo', () => {
  it('says that it is enabled to those who may read', async () => {
    expect((await scene.call({ url: '/v8/artifacts/status?slug=team', as: 'reader' })).json()).toEqual({
      status: 'enabled',
    });
    expect((await scene.call({ url: '/v8/artifacts/status', as: undefined })).statusCode).toBe(401);
  });

  it('gives back an artifact with all that came with it', async () => {
    expect((await scene.call({ url })).statusCode).toBe(404);
    const stored = await put();
    expect([stored.statusCode, stored.json()]).toEqual([202, { urls: ['/v8/artifacts/0123456789abcdef'] }]);
    for (const method of ['GET', 'HEAD'] as const) {
      const got = await scene.call({ method, url, as: 'reader' });
      expect(got.statusCode).toBe(200);
      const { 'x-artifact-client-ci': _ci, 'x-artifact-client-interactive': _interactive, ...kept } = sent;
      expect(got.headers).toMatchObject({ ...kept, 'content-length': String(body.length) });
      expect(got.rawPayload.equals(method === 'GET' ? body : Buffer.alloc(0))).toBe(true);
    }
  });

  it('the first value stays, its tag with it', async () => {
    await put();
    expect((await put(url, Buffer.from('other'), { ...sent, 'x-artifact-tag': 'other' })).statusCode).toBe(200);
    const got = await scene.call({ url });
    expect([got.rawPayload.equals(body), got.headers['x-artifact-tag']]).toEqual([true, sent['x-artifact-tag']]);
  });

  it('the team is the namespace, whichever way it is named', async () => {
    await put('/v8/artifacts/1?slug=team');
    await put('/v8/artifacts/2?teamId=team_x');
    await put('/v8/artifacts/3');
    const names = ['team', 'team_x', 'main'];
    for (const [index, name] of names.entries()) {
      const keys = await scene.serving.store.namespace(name).list({ kind: 'turbo', limit: 9 });
      expect(keys.map(({ key }) => key)).toEqual([String(index + 1)]);
    }
    expect((await scene.call({ url: '/v8/artifacts/1?team=team' })).statusCode).toBe(200);
    expect((await scene.call({ url: '/v8/artifacts/1?slug=a&slug=b' })).statusCode).toBe(400);
    expect((await scene.call({ url: '/v8/artifacts/1?slug=../x' })).statusCode).toBe(400);
  });

  it('answers a question for many', async () => {
    await put();
    const payload = JSON.stringify({ hashes: ['0123456789abcdef', 'unknown', '../x'] });
    const asked = await scene.call({ method: 'POST', url: '/v8/artifacts?slug=team', payload, as: 'reader' });
    expect(asked.json()).toEqual({
      '0123456789abcdef': { size: body.length, taskDurationMs: 1234, tag: sent['x-artifact-tag'] },
      unknown: null,
      '../x': { error: { message: expect.any(String) } },
    });
  });

  it('counts what clients report', async () => {
    const events = [
      { sessionId: 's', source: 'LOCAL', event: 'HIT', hash: 'a', duration: 3000 },
      { sessionId: 's', source: 'REMOTE', event: 'HIT', hash: 'b', duration: 2000 },
      { sessionId: 's', source: 'REMOTE', event: 'MISS', hash: 'c' },
    ];
    const told = await scene.call({ method: 'POST', url: '/v8/artifacts/events', payload: JSON.stringify(events) });
    expect(told.statusCode).toBe(200);
    expect(await metric(scene.serving, 'artifact_cache_turbo_events_total', 'remote', 'hit')).toBe(1);
    expect(await metric(scene.serving, 'artifact_cache_turbo_events_total', 'local', 'hit')).toBe(1);
    expect(await metric(scene.serving, 'artifact_cache_turbo_saved_seconds_total', 'remote')).toBe(2);
  });

  it('names Authorization in the answer to a preflight, and lets no page in', async () => {
    for (const at of [url, '/v8/artifacts/status', '/v8/artifacts/events', '/v8/artifacts']) {
      const asked = await scene.call({ method: 'OPTIONS', url: at, as: undefined });
      expect(asked.statusCode).toBe(204);
      expect(asked.headers['access-control-allow-headers']).toMatch(/\bAuthorization\b/);
      expect(asked.headers['access-control-allow-origin']).toBeUndefined();
    }
  });

  it.each<[string, string, Buffer, Record<string, string>, string, number, string]>([
    ['a reader', url, body, sent, 'reader', 403, 'forbidden'],
    ['a stranger', url, body, sent, 'stranger', 403, 'forbidden'],
    ['a wrong token', url, body, sent, 'nobody', 401, 'unauthorized'],
    ['too much', url, Buffer.alloc(10_001), sent, 'writer', 413, 'too_large'],
    ['a broken duration', url, body, { ...sent, 'x-artifact-duration': 'long' }, 'writer', 400, 'bad_request'],
    ['an endless tag', url, body, { ...sent, 'x-artifact-tag': 'x'.repeat(601) }, 'writer', 400, 'bad_request'],
    [
      'an endless environment',
      url,
      body,
      { ...sent, 'x-artifact-client-ci': 'x'.repeat(51) },
      'writer',
      400,
      'bad_request',
    ],
    ['a hash that is a path', '/v8/artifacts/a%2Fb', body, sent, 'writer', 400, 'bad_request'],
  ])('refuses %s with a code', async (_who, at, payload, headers, as, status, code) => {
    const refused = await put(at, payload, headers, as);
    expect(refused.statusCode).toBe(status);
    expect(refused.json()).toEqual({ error: { code, message: expect.any(String) } });
    expect((await scene.call({ url })).statusCode).toBe(404);
  });

  it.each(['{', '{}', '{"hashes":7}', `{"hashes":[${'"a",'.repeat(1000)}"a"]}`])(
    'refuses the question %.20s',
    async (payload) => {
      expect((await scene.call({ method: 'POST', url: '/v8/artifacts', payload })).statusCode).toBe(400);
    },
  );
});
