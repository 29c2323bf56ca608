import { createHash } from 'node:crypto';
import type { InjectedCredential } from '@waybill/contracts';
import { startHttpUpstream } from '@waybill/testkit';
import { afterEach, describe, expect, it } from 'vitest';
import { fetchThrough } from './client.js';
import { fakeLimits } from './fake-session.js';
import { startTestProxy } from './harness.js';

const closing: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const close of closing.splice(0)) await close();
});

async function start() {
  const bodies: string[] = [];
  const upstream = await startHttpUpstream(async (request, response) => {
    let text = '';
    for await (const part of request) text += part;
    bodies.push(text);
    if (request.url === '/redirect') response.writeHead(302, { Location: '/elsewhere' });
    response.end('done');
  });
  const events: unknown[] = [];
  const logged: unknown[] = [];
  const log = (...what: unknown[]) => void logged.push(what);
  const at = await startTestProxy({
    observer: { exchangeFinished: (event) => events.push(event) },
    logger: { debug: log, info: log, warn: log, error: log },
  });
  closing.push(at.close, upstream.close);
  const told = () => JSON.stringify([at.store.records, events, logged]);
  return { at, upstream, bodies, told };
}

const secret = 'Basic c2VjcmV0OnBhc3N3b3Jk';
const header: InjectedCredential = { type: 'header', name: 'Authorization', value: secret };

describe('promise 6: an injected credential', () => {
  it('replaces what the client sent, goes to the upstream and nowhere else', async () => {
    const { at, upstream, told } = await start();
    const session = at.session();
    session.credential = (url) => (url.startsWith(`${upstream.url}/private/`) ? header : undefined);
    const headers = ['authorization', 'Bearer of-the-client', 'AUTHORIZATION', 'Bearer another'];
    const got = await fetchThrough(at, session, `${upstream.url}/private/a`, { headers });
    await fetchThrough(at, session, `${upstream.url}/public`);
    expect(upstream.requests.map((request) => request.header('authorization'))).toEqual([secret, undefined]);
    expect(JSON.stringify([got.rawHeaders, got.text])).not.toContain(secret);
    expect(told()).not.toContain(secret);
    expect(told()).not.toContain('of-the-client');
    expect(session.inspected.requests[0]?.headers.get('authorization')).toBe('Bearer of-the-client, Bearer another');
  });

  it('is not carried along by a redirect', async () => {
    const { at, upstream } = await start();
    const session = at.session();
    session.credential = (url) => (url.endsWith('/redirect') ? header : undefined);
    expect((await fetchThrough(at, session, `${upstream.url}/redirect`)).headers.location).toBe('/elsewhere');
    expect(upstream.requests).toHaveLength(1);
  });

  it('is not applied to a request that is refused', async () => {
    const { at, upstream } = await start();
    const session = at.session('strict', { onRequest: () => undefined });
    session.credential = () => {
      throw new Error('must not be asked');
    };
    expect((await fetchThrough(at, session, `${upstream.url}/a`)).status).toBe(403);
  });

  it('that was lost at a restart: refused with the next step, nothing goes upstream', async () => {
    for (const policy of ['strict', 'permissive'] as const) {
      const { at, upstream } = await start();
      const session = at.session(policy);
      session.credential = () => ({ type: 'lost' });
      const got = await fetchThrough(at, session, `${upstream.url}/a`);
      expect([got.status, got.text]).toEqual([
        403,
        expect.stringMatching(/does not know it any more \(create a new session with its secrets\)/),
      ]);
      expect(upstream.requests).toEqual([]);
      expect((await at.report(session)).refusals).toMatchObject([{ phase: 'request', hint: expect.any(String) }]);
    }
  });
});

describe('a keystone-v3 credential', () => {
  const credential: InjectedCredential = { type: 'keystone-v3', user: 'service', password: 'pass"word' };
  const tokenRequest = {
    extra: 1,
    auth: {
      identity: {
        methods: ['password', 'totp'],
        password: { user: { name: 'client', password: 'guess', domain: { id: 'default' }, id: 'x' } },
      },
      scope: { project: { name: 'p' } },
    },
  };

  async function send(body: string | undefined, how: { headers?: Record<string, string>; max?: number } = {}) {
    const context = await start();
    const session = context.at.session('permissive');
    session.credential = () => credential;
    session.limits = { ...fakeLimits, inspectedRequestBytes: how.max ?? fakeLimits.inspectedRequestBytes };
    const got = await fetchThrough(context.at, session, `${context.upstream.url}/v3/auth/tokens`, {
      method: 'POST',
      ...(body !== undefined && { body }),
      headers: { 'Content-Type': 'application/json', 'Content-MD5': 'abc', ...how.headers },
    });
    return { ...context, session, got };
  }

  it('replaces the identity, keeps domain, scope and the rest; the length is right', async () => {
    const { got, bodies, upstream, told } = await send(JSON.stringify(tokenRequest));
    expect(got.status).toBe(200);
    expect(JSON.parse(bodies[0] ?? '')).toEqual({
      extra: 1,
      auth: {
        identity: {
          methods: ['password'],
          password: { user: { name: 'service', password: 'pass"word', domain: { id: 'default' } } },
        },
        scope: { project: { name: 'p' } },
      },
    });
    expect(upstream.requests[0]?.header('content-length')).toBe(String(Buffer.byteLength(bodies[0] ?? '')));
    expect(upstream.requests[0]?.header('content-md5')).toBeUndefined();
    expect(told()).not.toContain('pass\\"word');
  });

  it.each([
    ['no JSON', 'name=client'],
    ['no body', undefined],
    ['another shape', JSON.stringify({ auth: { identity: { token: { id: 'x' } } } })],
    ['a list for an object', JSON.stringify({ auth: { identity: { password: { user: [] } } } })],
    ['an inherited member', '{"auth":{"identity":{"__proto__":{"password":{"user":{}}}}}}'],
  ])('for a request with %s: 500 with the reason, nothing goes upstream', async (_name, body) => {
    const { got, upstream, at, session } = await send(body);
    expect([got.status, got.text]).toEqual([
      500,
      expect.stringMatching(/^Cannot handle requests: .*narrow the URL of the secret/),
    ]);
    expect(upstream.requests).toEqual([]);
    expect((await at.report(session)).refusals).toHaveLength(1);
  });

  it('for a body over the limit: 413', async () => {
    const { got, upstream } = await send(JSON.stringify(tokenRequest), { max: 50 });
    expect([got.status, got.text]).toEqual([413, expect.stringMatching(/^Request body too large: /)]);
    expect(upstream.requests).toEqual([]);
  });
});

describe('promise 6: an answer that is a credential', () => {
  const token = JSON.stringify({ token: 'token-of-the-registry' });
  async function startTokens(size = 0) {
    const upstream = await startHttpUpstream((_request, response) => void response.end(token + ' '.repeat(size)));
    const at = await startTestProxy();
    closing.push(at.close, upstream.close);
    const onRequest = () => ({ opinion: 'Pending', reason: 'a token', secretAnswer: true }) as const;
    return { at, upstream, onRequest };
  }

  it.each(['strict', 'permissive'] as const)(
    '%s: reaches the client, is recorded by its digest and kept nowhere',
    async (policy) => {
      const { at, upstream, onRequest } = await startTokens();
      for (let n = 1; n <= 2; n += 1) {
        const got = await fetchThrough(at, at.session(policy, { onRequest }), `${upstream.url}/token`);
        expect([got.status, got.text]).toEqual([200, token]);
        // Nor is it handed to the next session.
        expect(upstream.requests).toHaveLength(n);
      }
      expect([...at.blobs.content.values()].map(String)).toEqual([]);
      expect(JSON.stringify(at.store.records)).not.toContain('token-of-the-registry');
      const sha256 = createHash('sha256').update(token).digest('hex');
      const metadata = { sha256, size: token.length, 'not-kept': 'credential' };
      expect(at.store.records).toMatchObject([
        { kind: 'download', result: 'Approved', metadata },
        { kind: 'download', result: 'Approved', metadata },
      ]);
    },
  );

  it('is refused when it is too large to be one', async () => {
    const { at, upstream, onRequest } = await startTokens(1 << 20);
    const got = await fetchThrough(at, at.session('strict', { onRequest }), `${upstream.url}/token`);
    expect(got.status).toBe(403);
    expect(got.text).not.toContain('token-of');
    expect(at.blobs.content.size).toBe(0);
  });
});
