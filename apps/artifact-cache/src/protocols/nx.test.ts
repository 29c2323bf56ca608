import { gzipSync } from 'node:zlib';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { createHttpScene, type HttpScene, metric } from '../../test/http-scene.js';

let scene: HttpScene;
beforeEach(async () => {
  scene = await createHttpScene({ limits: { maxBlobBytes: 10_000 } });
});
afterEach(() => scene.close());

const body = gzipSync('what a task made');
const url = '/v1/cache/14312348412346543210';

describe('the cache of Nx', () => {
  it('stores with 200, gives back, counts', async () => {
    expect((await scene.call({ url, as: 'reader' })).statusCode).toBe(404);
    expect((await scene.call({ method: 'PUT', url, payload: body })).statusCode).toBe(200);
    const got = await scene.call({ url, as: 'reader' });
    expect([got.statusCode, got.headers['content-type']]).toEqual([200, 'application/octet-stream']);
    expect(got.rawPayload.equals(body)).toBe(true);
    expect(await metric(scene.serving, 'artifact_cache_lookups_total', 'nx', 'main', 'hit')).toBe(1);
    expect(await metric(scene.serving, 'artifact_cache_lookups_total', 'nx', 'main', 'miss')).toBe(1);
  });

  it('replaces nothing: 409, and the first stays', async () => {
    await scene.call({ method: 'PUT', url, payload: body });
    for (const payload of [gzipSync('poison'), body]) {
      const again = await scene.call({ method: 'PUT', url, payload });
      expect([again.statusCode, again.headers['content-type']]).toEqual([409, 'text/plain']);
    }
    expect((await scene.call({ url })).rawPayload.equals(body)).toBe(true);
  });

  it('a prefix is the namespace', async () => {
    await scene.call({ method: 'PUT', url: `/team/pr${url}`, payload: body });
    expect((await scene.call({ url: `/team/pr${url}` })).statusCode).toBe(200);
    expect((await scene.call({ url })).statusCode).toBe(404);
  });

  it.each<['GET' | 'PUT', string | undefined, number]>([
    ['GET', undefined, 401],
    ['GET', 'nobody', 401],
    ['GET', 'stranger', 403],
    ['PUT', undefined, 401],
    ['PUT', 'reader', 403],
  ])('%s by %s: %i with a line of text for the user', async (method, as, status) => {
    const answer = await scene.call({ method, url, as, ...(method === 'PUT' ? { payload: body } : {}) });
    expect([answer.statusCode, answer.headers['content-type']]).toEqual([status, 'text/plain']);
    expect(answer.body).toMatch(/\w+.*\n$/);
    expect(answer.body).not.toContain('{');
  });

  it.each<[string, string, Buffer, number]>([
    ['too much', url, Buffer.alloc(10_001), 413],
    ['a hash with a slash', '/v1/cache/a%2Fb', body, 400],
    ['a hidden name', '/v1/cache/..', body, 404],
    ['a hash without end', `/v1/cache/${'1'.repeat(300)}`, body, 400],
  ])('refuses %s', async (_what, at, payload, status) => {
    expect((await scene.call({ method: 'PUT', url: at, payload })).statusCode).toBe(status);
  });

  it('has no other methods', async () => {
    expect((await scene.call({ method: 'DELETE', url })).statusCode).toBe(405);
  });
});
