import { randomBytes } from 'node:crypto';
import { startHttpUpstream, type UpstreamHandler } from '@waybill/testkit';
import { afterEach, describe, expect, it } from 'vitest';
import { type ClientRequest, fetchThrough } from './client.js';
import type { FakeSession } from './fake-session.js';
import { startTestProxy, type TestProxy } from './harness.js';
import { infoOf } from './memory-blobs.js';

const closing: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const close of closing.splice(0)) await close();
});

const small = randomBytes(1000);

/** A server that keeps to RFC 9110: 304 when the client has it already. */
function serve(body: () => Buffer, fields: () => Record<string, string>): UpstreamHandler {
  return (request, response) => {
    const { ETag: tag, 'Last-Modified': modified } = fields();
    const isCurrent =
      (tag !== undefined && request.headers['if-none-match'] === tag) ||
      (tag === undefined && modified !== undefined && request.headers['if-modified-since'] === modified);
    if (isCurrent) response.writeHead(304, { ...fields(), 'X-Moment': 'now' }).end();
    else response.writeHead(200, fields()).end(body());
  };
}

interface Scene {
  readonly at: TestProxy;
  readonly url: string;
  readonly upstream: Awaited<ReturnType<typeof startHttpUpstream>>;
  /** Requests of a new session. */
  ask(how?: ClientRequest, change?: (session: FakeSession) => void): ReturnType<typeof fetchThrough>;
  last(): FakeSession;
}

async function start(handler: UpstreamHandler): Promise<Scene> {
  const upstream = await startHttpUpstream(handler);
  const at = await startTestProxy();
  closing.push(at.close, upstream.close);
  const url = `${upstream.url}/index`;
  let session: FakeSession;
  return {
    at,
    url,
    upstream,
    ask(how = {}, change = () => {}) {
      session = at.session();
      change(session);
      return fetchThrough(at, session, url, how);
    },
    last: () => session,
  };
}

const tagged = { ETag: '"v1"', 'Content-Type': 'application/json', 'Cache-Control': 'max-age=300' };

describe.each([
  ['small', small],
  ['large', randomBytes(700_000)],
])('a %s body that the upstream calls current', (_size, body) => {
  it.each<[string, Record<string, string>, string]>([
    ['a tag', tagged, 'if-none-match'],
    ['a weak tag', { ...tagged, ETag: 'W/"v1"' }, 'if-none-match'],
    [
      'an old date',
      { 'Last-Modified': 'Tue, 01 Jul 2025 10:00:00 GMT', Date: 'Tue, 01 Jul 2025 11:00:00 GMT' },
      'if-modified-since',
    ],
  ])('comes from the store, by %s (ADR 2)', async (_by, fields, condition) => {
    const { at, upstream, ask, last } = await start(
      serve(
        () => body,
        () => fields,
      ),
    );
    expect((await ask()).body.equals(body)).toBe(true);
    expect(upstream.requests[0]?.header(condition)).toBeUndefined();
    // upstream sees: our condition
    const got = await ask();
    expect(upstream.requests[1]?.header(condition)).toBe(fields.ETag ?? fields['Last-Modified']);
    // client gets: the whole, with the newer fields
    expect([got.status, got.body.equals(body), got.headers['x-moment']]).toEqual([200, true, 'now']);
    expect(got.headers).toMatchObject({
      'content-length': String(body.length),
      ...(fields.ETag && { etag: fields.ETag }),
    });
    // report says: inspected in this session, and how it came
    expect(last().inspected.artifacts).toHaveLength(1);
    const { sha256 } = infoOf(body).digests;
    expect((await at.report(last())).all).toMatchObject([
      { delivery: 'revalidated', result: 'Approved', statusCode: 200, metadata: { sha256, size: body.length } },
    ]);
    // and again
    await ask();
    expect(upstream.requests[2]?.header(condition)).toBeDefined();
  });
});

describe('revalidation', () => {
  it('takes what is new, and remembers that', async () => {
    let version = 1;
    const bodies = [small, randomBytes(1200), randomBytes(1300)];
    const current = () => bodies[version] as Buffer;
    const { upstream, ask, at, last } = await start(serve(current, () => ({ ...tagged, ETag: `"v${version}"` })));
    await ask();
    version = 2;
    expect((await ask()).body.equals(current())).toBe(true);
    expect((await at.report(last())).downloads).toMatchObject([{ delivery: 'held' }]);
    expect((await ask()).body.equals(current())).toBe(true);
    expect(upstream.requests.map((request) => request.header('if-none-match'))).toEqual([undefined, '"v1"', '"v2"']);
  });

  it('the client’s own condition is answered here, whatever the upstream said', async () => {
    const { upstream, ask } = await start(
      serve(
        () => small,
        () => tagged,
      ),
    );
    await ask();
    expect((await ask({ headers: { 'If-None-Match': '"v1"' } })).status).toBe(304);
    const got = await ask({ headers: { 'If-None-Match': '"other"' } });
    expect([got.status, got.body.equals(small)]).toEqual([200, true]);
    expect(upstream.requests.map((request) => request.header('if-none-match'))).toEqual([undefined, '"v1"', '"v1"']);
  });

  it('a range is answered out of the whole', async () => {
    const { ask } = await start(
      serve(
        () => small,
        () => tagged,
      ),
    );
    await ask();
    const got = await ask({ headers: { Range: 'bytes=1-3' } });
    expect([got.status, got.body.equals(small.subarray(1, 4))]).toEqual([206, true]);
  });

  it.each<[string, Record<string, string>]>([
    ['forbids storing', { ...tagged, 'Cache-Control': 'private, no-store' }],
    ['varies by anything', { ...tagged, Vary: '*' }],
    ['has no validator', { 'Content-Type': 'text/plain' }],
    ['has a tag that is none', { ETag: 'v1' }],
    [
      'is too young for its date',
      { 'Last-Modified': 'Tue, 01 Jul 2025 10:00:00 GMT', Date: 'Tue, 01 Jul 2025 10:00:10 GMT' },
    ],
  ])('is not asked for when the answer %s', async (_case, fields) => {
    const { upstream, ask } = await start(
      serve(
        () => small,
        () => fields,
      ),
    );
    await ask();
    expect((await ask()).body.equals(small)).toBe(true);
    expect(upstream.requests[1]?.header('if-none-match')).toBeUndefined();
    expect(upstream.requests[1]?.header('if-modified-since')).toBeUndefined();
  });

  it.each<[string, ClientRequest, ClientRequest]>([
    ['Accept', { headers: { Accept: 'application/json' } }, { headers: { Accept: 'text/html' } }],
    ['Authorization', { headers: { Authorization: 'Bearer a' } }, { headers: { Authorization: 'Bearer b' } }],
    ['no Authorization', { headers: { Authorization: 'Bearer a' } }, {}],
    ['Cookie', { headers: { Cookie: 'a' } }, { headers: { Cookie: 'b' } }],
    ['a registry’s own credential', { headers: { 'X-JFrog-Art-Api': 'a' } }, { headers: { 'X-JFrog-Art-Api': 'b' } }],
    ['npm’s one-time password', { headers: { 'npm-otp': '1' } }, { headers: { 'npm-otp': '2' } }],
    ['User-Agent, when Vary names it', { headers: { 'User-Agent': 'a' } }, { headers: { 'User-Agent': 'b' } }],
    ['field that nobody knows', { headers: { 'X-Flavour': 'a' } }, { headers: { 'X-Flavour': 'b' } }],
  ])('does not cross requests with another %s', async (_case, first, second) => {
    const fields = () => ({ ...tagged, Vary: 'X-Flavour, User-Agent, Accept-Encoding' });
    const { upstream, ask } = await start(serve(() => small, fields));
    await ask(first);
    await ask(second);
    await ask(first);
    expect(upstream.requests.map((request) => request.header('if-none-match'))).toEqual([undefined, undefined, '"v1"']);
  });

  it('crosses requests that differ in what says who asks', async () => {
    const { upstream, ask } = await start(
      serve(
        () => small,
        () => tagged,
      ),
    );
    await ask({ headers: { 'User-Agent': 'a', 'npm-session': '1', 'Cache-Control': 'no-cache', Referer: 'install' } });
    await ask({ headers: { 'User-Agent': 'b', 'npm-session': '2', 'pacote-version': '3' } });
    expect(upstream.requests[1]?.header('if-none-match')).toBe('"v1"');
  });

  it('does not cross sessions with other injected credentials', async () => {
    const { upstream, ask } = await start(
      serve(
        () => small,
        () => tagged,
      ),
    );
    const withSecret = (value: string) => (session: FakeSession) => {
      session.credential = () => ({ type: 'header', name: 'Authorization', value });
    };
    await ask({}, withSecret('Bearer one'));
    await ask({}, withSecret('Bearer two'));
    await ask();
    await ask({}, withSecret('Bearer one'));
    expect(upstream.requests.map((request) => request.header('if-none-match'))).toEqual([
      undefined,
      undefined,
      undefined,
      '"v1"',
    ]);
  });

  it('what was refused is not remembered', async () => {
    const { upstream, ask } = await start(
      serve(
        () => small,
        () => tagged,
      ),
    );
    await ask({}, (session) => {
      session.inspector = { onArtifact: () => ({ opinion: 'Rejected', reason: 'no' }) };
    });
    await ask();
    expect(upstream.requests[1]?.header('if-none-match')).toBeUndefined();
  });

  it('a session that would refuse the body refuses it, though the upstream calls it current', async () => {
    const { at, ask, last } = await start(
      serve(
        () => small,
        () => tagged,
      ),
    );
    await ask();
    const got = await ask({}, (session) => {
      session.inspector = { onArtifact: () => ({ opinion: 'Rejected', reason: 'no' }) };
    });
    expect(got.status).toBe(403);
    expect((await at.report(last())).downloads).toMatchObject([{ result: 'Rejected', delivery: 'withheld' }]);
  });

  it('a body that is gone or damaged is asked for without condition', async () => {
    const { at, upstream, ask } = await start(
      serve(
        () => small,
        () => tagged,
      ),
    );
    await ask();
    await at.blobs.delete(infoOf(small).digests.sha256);
    expect((await ask()).body.equals(small)).toBe(true);
    expect(upstream.requests[1]?.header('if-none-match')).toBeUndefined();
    expect((await ask()).body.equals(small)).toBe(true);
    expect(upstream.requests[2]?.header('if-none-match')).toBe('"v1"');
  });

  it('a 304 that speaks of another version is not believed', async () => {
    const { upstream, ask } = await start((request, response) => {
      if (request.headers['if-none-match']) response.writeHead(304, { ETag: '"v2"' }).end();
      else response.writeHead(200, tagged).end(small);
    });
    await ask();
    expect((await ask()).body.equals(small)).toBe(true);
    expect(upstream.requests.map((request) => request.header('if-none-match'))).toEqual([undefined, '"v1"', undefined]);
  });

  it('a 304 that nobody asked for brings no body from anywhere', async () => {
    const { ask, at, last } = await start((_request, response) => void response.writeHead(304, tagged).end());
    expect((await ask()).status).toBe(304);
    expect((await at.report(last())).responses).toMatchObject([{ statusCode: 304, note: 'no body' }]);
  });

  it('is left out with reuse turned off', async () => {
    const { upstream, ask } = await start(
      serve(
        () => small,
        () => tagged,
      ),
    );
    await ask();
    await ask({}, (session) => {
      session.limits = { ...session.limits, reuse: 'off' };
    });
    expect(upstream.requests[1]?.header('if-none-match')).toBeUndefined();
  });

  it('an upstream that refuses the session’s request is heard: nothing comes from the store', async () => {
    let isOpen = true;
    const { ask } = await start((request, response) => {
      if (isOpen)
        return serve(
          () => small,
          () => tagged,
        )(request, response);
      response.writeHead(403, { 'Content-Type': 'text/plain' }).end('no');
    });
    await ask();
    isOpen = false;
    const got = await ask();
    expect(got.status).toBe(403);
    expect(got.body.includes(small)).toBe(false);
  });
});

describe('an index as a companion, of an origin that says how long it is current', () => {
  const body = randomBytes(500);

  /** Fetches a file whose inspector wants its index to be known, in a session of its own each time. */
  async function startWith(fields: Record<string, string>) {
    const upstream = await startHttpUpstream((request, response) => {
      if (request.url === '/file') return void response.writeHead(200).end(body);
      return serve(
        () => small,
        () => ({ ETag: '"v1"', ...fields }),
      )(request, response);
    });
    const at = await startTestProxy();
    closing.push(at.close, upstream.close);
    async function ask(how: ClientRequest = {}) {
      const session = at.session('strict', {
        async onArtifact(artifact, services) {
          const bytes = await services.companion(new URL('/index', artifact.request.url), 10_000);
          return { opinion: Buffer.from(bytes ?? []).equals(small) ? 'Approved' : 'Rejected', reason: 'listed' };
        },
      });
      expect((await fetchThrough(at, session, `${upstream.url}/file`, how)).status).toBe(200);
      return (await at.report(session)).all.filter(({ url }) => url.endsWith('/index'));
    }
    const asked = () => upstream.requests.filter(({ target }) => target === '/index').length;
    return { at, ask, asked };
  }

  it('is not asked for again meanwhile, is recorded all the same, and is asked for afterwards', async () => {
    const { at, ask, asked } = await startWith({ 'Cache-Control': 'public, max-age=300' });
    await ask();
    at.clock.advance(299_000);
    expect(await ask()).toMatchObject([{ delivery: 'companion', result: 'Approved' }]);
    expect(asked()).toBe(1);
    at.clock.advance(2_000);
    await ask();
    expect(asked()).toBe(2);
    // The 304 began another 300 seconds.
    at.clock.advance(200_000);
    await ask();
    expect(asked()).toBe(2);
  });

  it.each<[string, Record<string, string>]>([
    ['of no age', {}],
    ['of none at all', { 'Cache-Control': 'max-age=0' }],
    ['that is to be asked each time', { 'Cache-Control': 'no-cache, max-age=300' }],
    ['for one reader', { 'Cache-Control': 'private, max-age=300' }],
    ['whose time is over already', { 'Cache-Control': 'max-age=300', Age: '300' }],
    ['that was sent long ago', { 'Cache-Control': 'max-age=300', Date: 'Sun, 01 Mar 2026 11:00:00 GMT' }],
    ['that says it twice', { 'Cache-Control': 'max-age=300, max-age=400' }],
    ['that says nonsense', { 'Cache-Control': 'max-age=soon' }],
    ['for shared caches only so long', { 'Cache-Control': 'max-age=300, s-maxage=0' }],
  ])('is asked for again: one %s', async (_case, fields) => {
    const { ask, asked } = await startWith(fields);
    await ask();
    await ask();
    expect(asked()).toBe(2);
  });

  it('is asked for again after an hour, whatever the origin says', async () => {
    const { at, ask, asked } = await startWith({ 'Cache-Control': 'max-age=31536000' });
    await ask();
    at.clock.advance(3_599_000);
    await ask();
    expect(asked()).toBe(1);
    at.clock.advance(2_000);
    await ask();
    expect(asked()).toBe(2);
  });

  it('is asked for again when the clock was set back', async () => {
    const { at, ask, asked } = await startWith({ 'Cache-Control': 'max-age=300' });
    await ask();
    at.clock.advance(-10_000);
    await ask();
    expect(asked()).toBe(2);
  });

  it('does not come out of the store when the destination is refused meanwhile (promise 9)', async () => {
    const { at, ask, asked } = await startWith({ 'Cache-Control': 'max-age=300' });
    await ask();
    at.proxy.setEgress({ refusalFor: () => 'closed today' });
    await expect(ask()).rejects.toThrow();
    expect(asked()).toBe(1);
  });
});

describe('companions', () => {
  it('are revalidated too, and the record says so', async () => {
    const body = randomBytes(500);
    const upstream = await startHttpUpstream((request, response) => {
      const handler = serve(
        () => (request.url === '/index' ? small : body),
        () => ({ 'Content-Type': 'application/json', ETag: `"${request.url}"` }),
      );
      return handler(request, response);
    });
    const at = await startTestProxy();
    closing.push(at.close, upstream.close);
    const session = () =>
      at.session('strict', {
        async onArtifact(artifact, services) {
          if (artifact.request.url.pathname === '/index') return { opinion: 'Approved', reason: 'from the origin' };
          const bytes = await services.companion(new URL('/index', artifact.request.url), 10_000);
          return { opinion: Buffer.from(bytes ?? []).equals(small) ? 'Approved' : 'Rejected', reason: 'listed' };
        },
      });
    expect((await fetchThrough(at, session(), `${upstream.url}/file`)).status).toBe(200);
    const second = session();
    expect((await fetchThrough(at, second, `${upstream.url}/file`)).status).toBe(200);
    expect(upstream.requests.map((request) => [request.target, request.header('if-none-match')])).toEqual([
      ['/file', undefined],
      ['/index', undefined],
      ['/file', '"/file"'],
      ['/index', '"/index"'],
    ]);
    expect((await at.report(second)).downloads).toMatchObject([
      { delivery: 'revalidated', statusCode: 200 },
      { delivery: 'companion', statusCode: 304, status: '304 Not Modified', result: 'Approved' },
    ]);
  });

  it('are fetched before the body that they vouch for when it is likely here, and once', async () => {
    const body = randomBytes(500);
    const upstream = await startHttpUpstream((request, response) => {
      response.writeHead(200, { 'Content-Type': 'text/plain' }).end(request.url === '/index' ? small : body);
    });
    const at = await startTestProxy();
    closing.push(at.close, upstream.close);
    const session = () => {
      const one = at.session('strict', {
        async onArtifact(artifact, services) {
          if (artifact.request.url.pathname === '/index') return { opinion: 'Approved', reason: 'from the origin' };
          await services.companion(new URL('/index', artifact.request.url), 10_000);
          return { opinion: 'Approved', reason: 'listed' };
        },
      });
      const { inspectors } = one;
      return Object.assign(one, {
        inspectors: {
          ...inspectors,
          async vouchedDigests(request, _claims, services) {
            if (!services.mayFetch) return [];
            await services.companion(new URL('/index', request.url), 10_000);
            const { sha256 } = infoOf(body).digests;
            const by = {
              kind: 'artifact',
              sha256: infoOf(small).digests.sha256,
              inspector: 'i',
              name: 'index',
            } as const;
            return [{ digests: [{ algorithm: 'sha256', hex: sha256 }], vouchedBy: by }];
          },
        } satisfies typeof inspectors,
      });
    };
    await fetchThrough(at, session(), `${upstream.url}/file`);
    const second = session();
    expect((await fetchThrough(at, second, `${upstream.url}/file`)).body.equals(body)).toBe(true);
    expect(upstream.requests.map(({ target }) => target)).toEqual(['/file', '/index', '/index']);
    expect((await at.report(second)).downloads).toMatchObject([
      { delivery: 'reused', result: 'Approved' },
      { delivery: 'companion', result: 'Approved', statusCode: 200 },
    ]);
  });
});
