import { randomBytes } from 'node:crypto';
import type { Digest, VouchLink } from '@waybill/contracts';
import { startHttpUpstream, type UpstreamHandler } from '@waybill/testkit';
import { afterEach, describe, expect, it } from 'vitest';
import { fetchThrough } from './client.js';
import type { FakeInspector, FakeSession } from './fake-session.js';
import { startTestProxy, type TestProxy } from './harness.js';
import { infoOf } from './memory-blobs.js';

const closing: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const close of closing.splice(0)) await close();
});

const headers = { ETag: '"v1"', 'Content-Type': 'text/x-thing', 'Set-Cookie': 'id=1', 'X-Request-Id': '7' };

async function start(body: Buffer, handler?: UpstreamHandler) {
  const upstream = await startHttpUpstream(
    handler ?? ((_request, response) => void response.writeHead(200, headers).end(body)),
  );
  const at = await startTestProxy();
  closing.push(at.close, upstream.close);
  return { at, upstream, url: `${upstream.url}/file` };
}

const index: VouchLink = { kind: 'artifact', sha256: 'a'.repeat(64), inspector: 'test.index', name: 'index' };
const pin: VouchLink = { kind: 'digest', id: 'sha256:…', name: 'generic.files[0]' };

/** A session whose trusted index lists the file. */
function listing(body: Buffer, algorithms: readonly Digest['algorithm'][] = ['sha512'], by = index): FakeInspector {
  const { digests } = infoOf(body);
  const known = algorithms.map((algorithm) => ({ algorithm, hex: digests[algorithm as keyof typeof digests] }));
  return { vouched: () => [{ digests: known, size: body.length, vouchedBy: by }] };
}

async function fillStore(at: TestProxy, url: string): Promise<FakeSession> {
  const session = at.session();
  expect((await fetchThrough(at, session, url)).status).toBe(200);
  return session;
}

it('a destination that is refused meanwhile is refused out of the store too (promise 9)', async () => {
  const body = randomBytes(1000);
  const { at, upstream, url } = await start(body);
  await fillStore(at, url);
  at.proxy.setEgress({ refusalFor: () => 'closed today' });
  const session = at.session('strict', listing(body));
  // client gets
  expect((await fetchThrough(at, session, url)).status).toBe(403);
  // upstream sees
  expect(upstream.requests).toHaveLength(1);
  // report says
  expect((await at.report(session)).all).toMatchObject([{ kind: 'refusal', phase: 'destination' }]);
});

describe.each([
  ['small', randomBytes(1000)],
  ['large', randomBytes(700_000)],
])('a %s body that the store has and the session’s index lists', (_size, body) => {
  it.each(['strict', 'permissive'] as const)('is not fetched again: %s (promises 1, 2, 4)', async (policy) => {
    const { at, upstream, url } = await start(body);
    await fillStore(at, url);
    const session = at.session(policy, listing(body));
    const got = await fetchThrough(at, session, url);
    // client gets: the same, without what was said to somebody else
    expect([got.status, got.statusText, got.body.equals(body)]).toEqual([200, 'OK', true]);
    expect(got.headers).toMatchObject({
      etag: '"v1"',
      'content-type': 'text/x-thing',
      'content-length': String(body.length),
    });
    expect([got.headers['set-cookie'], got.headers['x-request-id']]).toEqual([undefined, undefined]);
    // upstream sees: nothing
    expect(upstream.requests).toHaveLength(1);
    // report says: inspected and approved as ever, and where it came from
    const { sha256 } = infoOf(body).digests;
    expect((await at.report(session)).all).toMatchObject([
      {
        kind: 'download',
        delivery: 'reused',
        result: 'Approved',
        statusCode: 200,
        contentType: 'text/x-thing',
        responseHeader: {},
        metadata: { sha256, size: body.length },
      },
    ]);
    expect(session.inspected.artifacts).toHaveLength(1);
    expect(at.events.at(-1)).toMatchObject({ upstreamBytes: 0, clientBytes: body.length, delivery: 'reused' });
  });

  it('is found under another URL', async () => {
    const { at, upstream, url } = await start(body);
    await fillStore(at, url);
    const got = await fetchThrough(at, at.session('strict', listing(body)), `${upstream.url}/mirror/file`);
    expect([got.body.equals(body), got.headers['content-type']]).toEqual([true, 'application/octet-stream']);
    expect(upstream.requests).toHaveLength(1);
  });

  it.each([
    ['bytes=10-19', 206, 10, 20],
    ['bytes=-5', 206, body.length - 5, body.length],
  ])('a range is answered out of it: %s', async (range, status, from, to) => {
    const { at, upstream, url } = await start(body);
    await fillStore(at, url);
    const session = at.session('strict', listing(body));
    const got = await fetchThrough(at, session, url, { headers: { Range: range } });
    expect([got.status, got.body.equals(body.subarray(from, to))]).toEqual([status, true]);
    expect(upstream.requests).toHaveLength(1);
  });

  it('the client’s own condition is answered out of it', async () => {
    const { at, upstream, url } = await start(body);
    await fillStore(at, url);
    const session = at.session('strict', listing(body));
    const got = await fetchThrough(at, session, url, { headers: { 'If-None-Match': '"v1"' } });
    expect([got.status, got.text, got.headers.etag]).toEqual([304, '', '"v1"']);
    expect(upstream.requests).toHaveLength(1);
    expect((await at.report(session)).downloads).toMatchObject([{ delivery: 'reused', statusCode: 200 }]);
  });

  it('is refused when the inspectors refuse it', async () => {
    const { at, upstream, url } = await start(body);
    await fillStore(at, url);
    const refusing = { ...listing(body), onArtifact: () => ({ opinion: 'Rejected', reason: 'bad' }) as const };
    const session = at.session('strict', refusing);
    expect((await fetchThrough(at, session, url)).status).toBe(403);
    expect(upstream.requests).toHaveLength(1);
    expect((await at.report(session)).downloads).toMatchObject([{ delivery: 'withheld', result: 'Rejected' }]);
  });

  it('is fetched when it cannot be read from the store', async () => {
    const { at, upstream, url } = await start(body);
    await fillStore(at, url);
    const session = at.session('strict', { ...listing(body), onRequest: breakOnce });
    const got = await fetchThrough(at, session, url);
    expect([got.status, got.body.equals(body)]).toEqual([200, true]);
    expect(upstream.requests).toHaveLength(2);
    expect((await at.report(session)).downloads).toMatchObject([{ result: 'Approved', statusCode: 200 }]);
    expect((await at.report(session)).downloads[0]?.delivery).not.toBe('reused');

    function breakOnce() {
      const open = at.blobs.open.bind(at.blobs);
      at.blobs.open = (...given) => {
        at.blobs.open = open;
        const stream = open(...given);
        stream.once('data', () => stream.destroy(new Error('BLOB_CORRUPT')));
        return stream;
      };
      return { opinion: 'Pending', reason: 'a file of the test' } as const;
    }
  });
});

describe('a body is asked of the upstream', () => {
  const body = randomBytes(1000);
  const other = randomBytes(1000);
  const sha512 = { algorithm: 'sha512', hex: infoOf(other).digests.sha512 } as const;

  it.each<[string, FakeInspector]>([
    ['that the session has no index for', {}],
    ['whose index lists another digest', { vouched: () => [{ digests: [sha512], vouchedBy: index }] }],
    ['that only a sha1 is known of', listing(body, ['sha1'])],
    [
      'that only an md5 is known of',
      { vouched: () => [{ digests: [{ algorithm: 'md5', hex: '0'.repeat(32) }], vouchedBy: index }] },
    ],
    [
      'whose strongest digest is another',
      {
        vouched: () => [
          { digests: [{ algorithm: 'sha256', hex: infoOf(body).digests.sha256 }, sha512], vouchedBy: index },
        ],
      },
    ],
    [
      'of another size',
      {
        vouched: () => [
          { digests: [{ algorithm: 'sha256', hex: infoOf(body).digests.sha256 }], size: 999, vouchedBy: index },
        ],
      },
    ],
  ])('%s', async (_case, inspector) => {
    const { at, upstream, url } = await start(body);
    await fillStore(at, url);
    const session = at.session('permissive', inspector);
    await fetchThrough(at, session, url);
    expect(upstream.requests).toHaveLength(2);
    expect((await at.report(session)).downloads.every(({ delivery }) => delivery !== 'reused')).toBe(true);
  });

  it('with reuse turned off', async () => {
    const { at, upstream, url } = await start(body);
    await fillStore(at, url);
    const session = at.session('strict', listing(body));
    session.limits = { ...session.limits, reuse: 'off' };
    await fetchThrough(at, session, url);
    expect(upstream.requests).toHaveLength(2);
    expect(upstream.requests[1]?.header('if-none-match')).toBeUndefined();
  });

  it.each(['POST', 'HEAD'])('by %s', async (method) => {
    const { at, upstream, url } = await start(body);
    await fillStore(at, url);
    await fetchThrough(at, at.session('strict', listing(body)), url, { method });
    expect(upstream.requests.map((request) => request.method)).toEqual(['GET', method]);
  });

  it.each(['If-Match', 'If-Unmodified-Since'])('with %s, which only the upstream can answer', async (name) => {
    const { at, upstream, url } = await start(body);
    await fillStore(at, url);
    await fetchThrough(at, at.session('strict', listing(body)), url, { headers: { [name]: '"v1"' } });
    expect(upstream.requests[1]?.header(name.toLowerCase())).toBe('"v1"');
    expect(upstream.requests[1]?.header('if-none-match')).toBeUndefined();
  });

  it('by a request that strict refuses, in a permissive session', async () => {
    const { at, upstream, url } = await start(body);
    await fillStore(at, url);
    const session = at.session('permissive', {
      ...listing(body),
      onRequest: () => ({ opinion: 'Rejected', reason: 'no' }),
    });
    await fetchThrough(at, session, url);
    expect(upstream.requests).toHaveLength(2);
    expect((await at.report(session)).downloads).toMatchObject([{ result: 'Rejected', delivery: 'held' }]);
  });

  it('larger than the session allows: it is not delivered', async () => {
    const { at, url } = await start(body);
    await fillStore(at, url);
    const session = at.session('strict', listing(body));
    session.limits = { ...session.limits, artifactBytes: 100 };
    expect((await fetchThrough(at, session, url)).status).toBe(403);
  });
});

describe('a body that the configuration pins', () => {
  const body = randomBytes(1000);
  const secret = { type: 'header', name: 'Authorization', value: 'Bearer s3cret' } as const;

  it('is reused for the URL that it was fetched from', async () => {
    const { at, upstream, url } = await start(body);
    await fillStore(at, url);
    const session = at.session('strict', listing(body, ['sha256'], pin));
    expect((await fetchThrough(at, session, url)).body.equals(body)).toBe(true);
    expect(upstream.requests).toHaveLength(1);
  });

  it('is asked of another URL: a pin is no proof that the session may have it', async () => {
    const { at, upstream, url } = await start(body);
    await fillStore(at, url);
    await fetchThrough(at, at.session('strict', listing(body, ['sha256'], pin)), `${url}-elsewhere`);
    expect(upstream.requests).toHaveLength(2);
  });

  it.each([
    ['without credentials after it was fetched with them', secret, undefined, 2],
    ['with credentials after it was fetched without', undefined, secret, 2],
    ['with other credentials', secret, { ...secret, value: 'Bearer other' }, 2],
    ['with the same credentials', secret, secret, 1],
  ])('is asked for %s: requests', async (_case, first, second, requests) => {
    const { at, upstream, url } = await start(body);
    const session = at.session('strict', listing(body, ['sha256'], pin));
    session.credential = () => first;
    await fetchThrough(at, session, url);
    const later = at.session('strict', listing(body, ['sha256'], pin));
    later.credential = () => second;
    expect((await fetchThrough(at, later, url)).status).toBe(200);
    expect(upstream.requests).toHaveLength(requests);
  });
});

describe('a body that was fetched with credentials, listed by an index of another session', () => {
  const body = randomBytes(1000);
  const secret = { type: 'header', name: 'Authorization', value: 'Bearer s3cret' } as const;
  const elsewhere = async (at: TestProxy, url: string) =>
    fetchThrough(at, at.session('strict', listing(body)), url.replace('/file', '/elsewhere'));

  it.each<[string, { readonly headers?: Record<string, string>; readonly injected?: typeof secret; query?: string }]>([
    ['that the session injected', { injected: secret }],
    ['that the client sent', { headers: { Authorization: 'Bearer s3cret' } }],
    ['in a cookie', { headers: { Cookie: 'id=s3cret' } }],
    ['in a field that nobody knows', { headers: { 'X-Key': 's3cret' } }],
    ['in its URL', { query: '?signature=s3cret' }],
  ])('%s, is not given away under any URL', async (_case, { headers: sent = {}, injected, query = '' }) => {
    for (const stranger of ['/file', '/elsewhere']) {
      const { at, upstream, url } = await start(body);
      const owner = at.session('strict', listing(body));
      owner.credential = () => injected;
      await fetchThrough(at, owner, `${url}${query}`, { headers: sent });
      await fetchThrough(at, at.session('strict', listing(body)), url.replace('/file', stranger));
      expect(upstream.requests.map(({ target }) => target)).toEqual([`/file${query}`, stranger]);
    }
  });

  it.each([
    ['the same credentials', secret, 1],
    ['other ones', { ...secret, value: 'Bearer other' }, 2],
  ])('is reused for its URL with %s only: requests', async (_case, second, requests) => {
    const { at, upstream, url } = await start(body);
    for (const credential of [secret, second]) {
      const session = at.session('strict', listing(body));
      session.credential = () => credential;
      expect((await fetchThrough(at, session, url)).status).toBe(200);
    }
    expect(upstream.requests).toHaveLength(requests);
  });

  it('is anybody’s once anybody was given it', async () => {
    const { at, upstream, url } = await start(body);
    const owner = at.session('strict', listing(body));
    owner.credential = () => secret;
    await fetchThrough(at, owner, url);
    await fetchThrough(at, at.session('strict', listing(body)), url);
    expect((await elsewhere(at, url)).body.equals(body)).toBe(true);
    expect(upstream.requests).toHaveLength(2);
  });

  it('is not published by a session that refused it', async () => {
    const { at, upstream, url } = await start(body);
    await fetchThrough(
      at,
      at.session('permissive', { onArtifact: () => ({ opinion: 'Rejected', reason: 'bad' }) }),
      url,
    );
    await elsewhere(at, url);
    expect(upstream.requests).toHaveLength(2);
  });
});

describe('promises hold for what is reused', () => {
  const body = randomBytes(700_000);

  it('nothing of it is released when the record cannot be written (promises 2, 5)', async () => {
    const { at, url } = await start(body);
    await fillStore(at, url);
    at.store.fault = new Error('disk on fire');
    const got = await fetchThrough(at, at.session('strict', listing(body)), url);
    expect(got.status).toBe(503);
    expect(got.body.includes(body.subarray(0, 64))).toBe(false);
  });

  it('a session that ends while its inspectors look at it gets nothing (promise 3)', async () => {
    const { at, url } = await start(body);
    await fillStore(at, url);
    const session = at.session('strict', {
      ...listing(body),
      async onArtifact() {
        session.end();
        await new Promise((resolve) => setTimeout(resolve, 20));
        return { opinion: 'Approved', reason: 'too late' };
      },
    });
    const got = await fetchThrough(at, session, url).catch(() => undefined);
    expect(got?.status).not.toBe(200);
    expect((await at.report(session)).failures).toMatchObject([{ phase: 'session' }]);
  });

  it('a secret that this process has lost refuses the request, though the body is here', async () => {
    const { at, url } = await start(body);
    await fillStore(at, url);
    const session = at.session('strict', listing(body));
    session.credential = () => ({ type: 'lost' });
    expect((await fetchThrough(at, session, url)).status).not.toBe(200);
  });

  it('reused bodies count as artifacts, and their catalogs are trusted', async () => {
    const { at, url } = await start(body);
    await fillStore(at, url);
    const session = at.session('strict', {
      ...listing(body),
      onArtifact: () => ({ opinion: 'Approved', reason: 'index', provides: [{ scope: 's', kind: 'k' }] }),
    });
    await fetchThrough(at, session, url);
    expect(await at.store.catalogs(session.id, 's')).toHaveLength(1);
  });
});
