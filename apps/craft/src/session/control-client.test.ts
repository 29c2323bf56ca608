import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { answer, type FakeService, hangUp, startFakeService } from '../../test/fake-service.js';
import { createControlClient } from './control-client.js';

let service: FakeService;
beforeEach(async () => {
  service = await startFakeService();
});
afterEach(() => service.close());

const client = (options: Partial<Parameters<typeof createControlClient>[0]> = {}) =>
  createControlClient({ endpoint: { url: service.url, auth: service.auth }, retryDelaysMs: [1, 1], ...options });

describe('createControlClient', () => {
  it('makes the six calls of a session', async () => {
    const control = client();
    expect((await control.status()).uptime).toBe(1);
    const { id, token } = await control.createSession({ policy: 'strict' });
    await control.revoke(id, token);
    expect(await control.report(id)).toMatchObject({ 'session-id': 's1', 'x-future': { kept: true } });
    await control.endSession(id);
    await control.deleteResources(id);
    expect(service.calls).toEqual([
      'GET /status',
      'POST /session',
      'DELETE /session/ID/token',
      'GET /session/ID',
      'DELETE /session/ID',
      'DELETE /resources/ID',
    ]);
    expect(service.bodies[1]).toEqual({ policy: 'strict' });
    expect(service.bodies[2]).toEqual({ token: 'secret-token' });
  });

  it('ignores the proxies of the host', async () => {
    vi.stubEnv('http_proxy', 'http://127.0.0.1:9');
    vi.stubEnv('HTTP_PROXY', 'http://127.0.0.1:9');
    vi.stubEnv('NODE_USE_ENV_PROXY', '1');
    expect((await client().status()).uptime).toBe(1);
  });

  it.each([
    ['DELETE /session/ID/token', () => client().revoke('s1', 'secret-token')],
    ['GET /session/ID', () => client().report('s1')],
    ['DELETE /session/ID', () => client().endSession('s1')],
    ['DELETE /resources/ID', () => client().deleteResources('s1')],
  ])('repeats %s when no answer comes or the service is busy', async (name, call) => {
    await client().createSession({ policy: 'strict' });
    if (name === 'GET /session/ID') await client().revoke('s1', 'secret-token');
    for (const fault of [hangUp, answer(503)]) {
      let times = 0;
      service.faults.set(name, (request, response) => {
        times++;
        service.faults.delete(name);
        fault(request, response);
      });
      await call();
      expect(times).toBe(1);
      if (name === 'DELETE /session/ID')
        await client()
          .createSession({ policy: 'strict' })
          .catch(() => {});
    }
  });

  it('takes "gone" after a lost answer for done', async () => {
    await client().createSession({ policy: 'strict' });
    service.faults.set('DELETE /session/ID', (request) => {
      service.faults.set('DELETE /session/ID', answer(404, '404 Not Found'));
      request.socket.destroy();
    });
    await client().endSession('s1');
  });

  it('never creates a second session for a lost answer', async () => {
    service.faults.set('POST /session', hangUp);
    await expect(client().createSession({ policy: 'strict' })).rejects.toMatchObject({ code: 'CRAFT_CONTROL_FAILED' });
    expect(service.calls).toEqual(['POST /session']);
  });

  it('asks where the service is after nobody answered, also for creation', async () => {
    const gone = { url: 'http://127.0.0.1:1', auth: 'x:y' };
    const renew = vi.fn(async () => ({ url: service.url, auth: service.auth }));
    expect(await client({ endpoint: gone, renew }).createSession({ policy: 'strict' })).toEqual({
      id: 's1',
      token: 'secret-token',
    });
    expect(renew).toHaveBeenCalledTimes(1);
  });

  it.each([
    [
      'wrong credentials',
      () => client({ endpoint: { url: service.url, auth: 'craft:wrong' } }).createSession({ policy: 'strict' }),
      'CRAFT_CONTROL_DENIED',
      'credentials',
    ],
    ['unknown session', () => client().report('nope'), 'CRAFT_CONTROL_FAILED', 'status 404'],
    [
      'nobody there',
      () => client({ endpoint: { url: 'http://127.0.0.1:1', auth: 'a:b' } }).status(),
      'CRAFT_CONTROL_FAILED',
      'did not answer GET /status',
    ],
  ])('fails for %s', async (_name, call, code, text) => {
    await expect(call()).rejects.toMatchObject({ code, message: expect.stringContaining(text) });
  });

  it.each([
    ['an error of the service', answer(500, '500 Internal Server Error: no space left (BLOB_FULL)'), 'no space left'],
    ['something that is no JSON', answer(200, '<html>'), 'not JSON'],
    ['something else', answer(200, '{"id": 5}'), 'something else than expected'],
    ['an extra key', answer(200, '{"id":"a","token":"b","more":1}'), 'something else than expected'],
  ])('fails for %s and says so', async (_name, fault, text) => {
    service.faults.set('POST /session', fault);
    await expect(client().createSession({ policy: 'strict' })).rejects.toMatchObject({
      code: 'CRAFT_CONTROL_FAILED',
      message: expect.stringContaining(text),
    });
  });

  it('keeps the token out of what it says', async () => {
    service.faults.set('DELETE /session/ID/token', answer(400, 'invalid session token'));
    const error = await client()
      .revoke('s1', 'very-secret')
      .catch((caught: unknown) => caught);
    expect(JSON.stringify([String(error), (error as { hint?: string }).hint])).not.toContain('very-secret');
  });
});
