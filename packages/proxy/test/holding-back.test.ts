import { randomBytes } from 'node:crypto';
import type { ServerResponse } from 'node:http';
import type { VouchedDigest } from '@waybill/contracts';
import { startHttpUpstream, type UpstreamHandler } from '@waybill/testkit';
import { afterEach, describe, expect, it } from 'vitest';
import { dial, fetchThrough } from './client.js';
import { fakeLimits } from './fake-session.js';
import { startTestProxy, type TestProxy } from './harness.js';
import { infoOf } from './memory-blobs.js';
import { until } from './until.js';

const closing: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const close of closing.splice(0)) await close();
});

async function start(handler: UpstreamHandler) {
  const upstream = await startHttpUpstream(handler);
  const at = await startTestProxy();
  closing.push(at.close, upstream.close);
  return { at, upstream };
}

const body = randomBytes(2_000_000);
const { digests } = infoOf(body);

function vouch(how: Partial<VouchedDigest> = {}): VouchedDigest {
  return {
    digests: [{ algorithm: 'sha256', hex: digests.sha256 }],
    size: body.length,
    vouchedBy: { kind: 'digest', id: digests.sha256, name: 'the index' },
    ...how,
  };
}

/** An upstream that sends all but the end, and the end on command. */
function inTwoParts(first: number) {
  let response: ServerResponse | undefined;
  return {
    handler: ((_request, given) => {
      response = given;
      given.writeHead(200, { 'Content-Length': String(body.length) });
      given.write(body.subarray(0, first));
    }) as UpstreamHandler,
    finish: () => response?.end(body.subarray(first)),
  };
}

/** A client that counts what it gets of the body. */
async function listen(at: TestProxy, authorization: string, url: string) {
  const socket = await dial(at);
  let all = Buffer.alloc(0);
  let isClosed = false;
  socket.on('data', (part: Buffer) => {
    all = Buffer.concat([all, part]);
  });
  socket.once('close', () => {
    isClosed = true;
  });
  socket.write(`GET ${url} HTTP/1.1\r\nHost: x\r\nConnection: close\r\nProxy-Authorization: ${authorization}\r\n\r\n`);
  return {
    get body() {
      const end = all.indexOf('\r\n\r\n');
      return end < 0 ? Buffer.alloc(0) : all.subarray(end + 4);
    },
    get isClosed() {
      return isClosed;
    },
  };
}

describe('a large body whose digest is vouched for', () => {
  it('streams while it comes, but for its tail, which waits for verdict and record', async () => {
    const parts = inTwoParts(1_500_000);
    const { at, upstream } = await start(parts.handler);
    const session = at.session('strict', { vouched: () => [vouch()] });
    let approve = () => {};
    const verdict = new Promise<void>((resolve) => {
      approve = resolve;
    });
    let store = () => {};
    const stored = new Promise<void>((resolve) => {
      store = resolve;
    });
    session.inspector.onArtifact = async () => {
      await verdict;
      return { opinion: 'Approved', reason: 'listed' };
    };
    at.store.before = () => stored;
    const client = await listen(at, session.authorization, `${upstream.url}/a`);
    // the upstream is still sending: most of it is at the client
    await until(() => client.body.length > 1_000_000, 'the stream');
    expect(body.subarray(0, client.body.length).equals(client.body)).toBe(true);
    // everything came, nothing is decided
    parts.finish();
    await until(() => session.inspected.artifacts.length === 1, 'the inspection');
    expect(client.body.length).toBeLessThan(body.length);
    // decided, not recorded
    approve();
    await until(() => at.proxy.stats().recording > 0, 'the record');
    expect(client.body.length).toBeLessThan(body.length);
    // recorded
    store();
    await until(() => client.isClosed, 'the end');
    expect(client.body.equals(body)).toBe(true);
    expect((await at.report(session)).downloads).toMatchObject([{ result: 'Approved', delivery: 'streamed' }]);
  });

  it.each([
    ['has other bytes', [vouch({ digests: [{ algorithm: 'sha256', hex: '0'.repeat(64) }] })]],
    [
      'has other bytes by the strongest digest',
      [
        vouch({
          digests: [
            { algorithm: 'sha1', hex: digests.sha1 },
            { algorithm: 'sha512', hex: '0'.repeat(128) },
          ],
        }),
      ],
    ],
    ['is rejected all the same', [vouch()]],
  ])('and that %s: the transfer never completes, recorded', async (name, vouched) => {
    const { at, upstream } = await start((_request, response) => void response.end(body));
    const session = at.session('strict', { vouched: () => vouched });
    if (name === 'is rejected all the same') {
      session.inspector.onArtifact = () => ({ opinion: 'Rejected', reason: 'its name is not the one inside' });
    }
    const got = await fetchThrough(at, session, `${upstream.url}/a`);
    expect(got.broken).toBeDefined();
    expect(got.body.length).toBeLessThan(body.length);
    const report = await at.report(session);
    expect(report.downloads).toMatchObject([{ result: 'Rejected', delivery: 'streamed' }]);
    expect(report.refusals).toMatchObject([{ phase: 'artifact', statusCode: 0, delivered: false }]);
  });

  it('and of another size than announced: refused in the open, before a byte is sent', async () => {
    const { at, upstream } = await start((_request, response) => {
      response.writeHead(200, { 'Content-Length': String(body.length) }).end(body);
    });
    const session = at.session('strict', { vouched: () => [vouch({ size: body.length - 1 })] });
    const got = await fetchThrough(at, session, `${upstream.url}/a`);
    expect([got.status, got.text]).toEqual([403, expect.stringContaining(`${body.length - 1} bytes are vouched for`)]);
    expect((await at.report(session)).refusals).toMatchObject([{ phase: 'artifact', statusCode: 403 }]);
  });

  it('and longer than vouched for, without an announced length: broken off where it gets too long', async () => {
    const { at, upstream } = await start((_request, response) => {
      response.write(body);
      response.end();
    });
    const session = at.session('strict', { vouched: () => [vouch({ size: 600_000 })] });
    const got = await fetchThrough(at, session, `${upstream.url}/a`);
    expect(got.broken).toBeDefined();
    expect(got.body.length).toBeLessThanOrEqual(600_000);
    expect((await at.report(session)).refusals).toMatchObject([{ phase: 'artifact', statusCode: 0 }]);
  });

  it('one of several vouches is enough', async () => {
    const { at, upstream } = await start((_request, response) => void response.end(body));
    const wrong = vouch({ digests: [{ algorithm: 'sha256', hex: '1'.repeat(64) }], size: undefined });
    const session = at.session('strict', { vouched: () => [wrong, vouch()] });
    expect((await fetchThrough(at, session, `${upstream.url}/a`)).body.equals(body)).toBe(true);
    expect((await at.report(session)).downloads).toMatchObject([{ delivery: 'streamed', result: 'Approved' }]);
  });
});

describe('sha512 of a large body', () => {
  const bySha512 = (hex: string) => vouch({ digests: [{ algorithm: 'sha512', hex }], size: undefined });

  it.each(['strict', 'permissive'] as const)('is taken on the way when a vouch names one: %s', async (policy) => {
    for (const length of [{ 'Content-Length': String(body.length) }, {}]) {
      const { at, upstream } = await start((_request, response) => void response.writeHead(200, length).end(body));
      const session = at.session(policy, { vouched: () => [bySha512(digests.sha512)] });
      session.inspector.onArtifact = (artifact) => {
        expect(artifact.digests).toEqual(digests);
        return { opinion: 'Approved', reason: 'listed' };
      };
      expect((await fetchThrough(at, session, `${upstream.url}/a`)).body.equals(body)).toBe(true);
      const [download] = (await at.report(session)).downloads;
      expect(download).toMatchObject({ result: 'Approved', delivery: 'streamed', metadata: digests });
    }
  });

  it('that is another than vouched for never completes', async () => {
    const { at, upstream } = await start((_request, response) => void response.end(body));
    const session = at.session('strict', { vouched: () => [bySha512('0'.repeat(128))] });
    expect((await fetchThrough(at, session, `${upstream.url}/a`)).broken).toBeDefined();
    expect((await at.report(session)).downloads).toMatchObject([{ result: 'Rejected' }]);
  });

  it('is computed when an inspector asks, once, and reported then', async () => {
    const { at, upstream } = await start((_request, response) => void response.end(body));
    const session = at.session('strict');
    session.inspector.onArtifact = async (artifact) => {
      expect(artifact.digests).toEqual({ sha1: digests.sha1, sha256: digests.sha256 });
      const found = await Promise.all([artifact.digest('sha512'), artifact.digest('sha512'), artifact.digest('sha1')]);
      expect(found).toEqual([digests.sha512, digests.sha512, digests.sha1]);
      expect(artifact.digests).toEqual(digests);
      expect(await artifact.decoded()).toEqual({ digests, size: body.length });
      return { opinion: 'Approved', reason: 'fine' };
    };
    expect((await fetchThrough(at, session, `${upstream.url}/a`)).status).toBe(200);
    expect((await at.report(session)).downloads).toMatchObject([{ metadata: { sha512: digests.sha512 } }]);
  });

  it('is left open when nobody wants it', async () => {
    const { at, upstream } = await start((_request, response) => void response.end(body));
    const session = at.session('strict', { vouched: () => [vouch()] });
    expect((await fetchThrough(at, session, `${upstream.url}/a`)).body.equals(body)).toBe(true);
    expect((await at.report(session)).downloads).toMatchObject([
      { metadata: { sha1: digests.sha1, sha256: digests.sha256, sha512: '' } },
    ]);
  });

  it('that cannot be computed refuses the body', async () => {
    const { at, upstream } = await start((_request, response) => void response.end(body));
    const session = at.session('strict');
    session.inspector.onArtifact = async (artifact) => {
      at.blobs.fail('open', new Error('the disk is gone'));
      await artifact.digest('sha512');
      return { opinion: 'Approved', reason: 'fine' };
    };
    const got = await fetchThrough(at, session, `${upstream.url}/a`);
    at.blobs.fail('open', undefined);
    expect(got.status).not.toBe(200);
  });
});

describe('held whole until the verdict', () => {
  it.each([
    ['nobody vouches', { vouched: () => [] }, {}],
    [
      'only a digest is vouched for that bodies are not hashed with',
      { vouched: () => [vouch({ digests: [{ algorithm: 'md5' as const, hex: '0'.repeat(32) }] })] },
      {},
    ],
    ['hold is whole', { vouched: () => [vouch()] }, { hold: 'whole' as const }],
  ])('when %s', async (_name, inspector, limits) => {
    const parts = inTwoParts(1_900_000);
    const { at, upstream } = await start(parts.handler);
    const session = at.session('strict', inspector);
    session.limits = { ...fakeLimits, ...limits };
    const client = await listen(at, session.authorization, `${upstream.url}/a`);
    await until(() => upstream.requests.length === 1);
    await new Promise((resolve) => setTimeout(resolve, 100));
    expect(client.body.length).toBe(0);
    parts.finish();
    await until(() => client.isClosed, 'the end');
    expect(client.body.equals(body)).toBe(true);
    expect((await at.report(session)).downloads).toMatchObject([{ delivery: 'held' }]);
  });

  it.each([
    ['a range is asked for', { Range: 'bytes=0-' }, {}, 206],
    ['a condition is given', { 'If-None-Match': '"other"' }, {}, 200],
    ['the bytes are encoded', {}, { 'Content-Encoding': 'x-own' }, 200],
  ])('when %s', async (_name, headers, answered, status) => {
    const { at, upstream } = await start((_request, response) => void response.writeHead(200, answered).end(body));
    const session = at.session('strict', { vouched: () => [vouch()] });
    const got = await fetchThrough(at, session, `${upstream.url}/a`, { headers });
    expect([got.status, got.body.equals(body)]).toEqual([status, true]);
    expect((await at.report(session)).downloads).toMatchObject([{ delivery: 'held' }]);
  });
});

describe('a permissive session', () => {
  it('streams a large body, its tail waits for the record (promise 2)', async () => {
    const parts = inTwoParts(1_500_000);
    const { at, upstream } = await start(parts.handler);
    const session = at.session('permissive');
    let store = () => {};
    const stored = new Promise<void>((resolve) => {
      store = resolve;
    });
    at.store.before = () => stored;
    const client = await listen(at, session.authorization, `${upstream.url}/a`);
    await until(() => client.body.length > 1_000_000, 'the stream');
    parts.finish();
    await until(() => at.proxy.stats().recording > 0, 'the record');
    expect(client.body.length).toBeLessThan(body.length);
    store();
    await until(() => client.isClosed, 'the end');
    expect(client.body.equals(body)).toBe(true);
  });
});

describe('promise 2: recorded before released', () => {
  it('a small body waits for bodies and record to be durable', async () => {
    const { at, upstream } = await start((_request, response) => void response.end('body'));
    const session = at.session();
    const order: string[] = [];
    at.blobs.onFlush = async () => void order.push('flush');
    at.store.before = async () => void order.push('record');
    const client = await listen(at, session.authorization, `${upstream.url}/a`);
    await until(() => client.isClosed);
    order.push('client');
    expect(order).toEqual(['flush', 'record', 'client']);
    expect(client.body.toString()).toBe('body');
  });

  it('a refusal is recorded before the client is told', async () => {
    const { at, upstream } = await start((_request, response) => void response.end('body'));
    const session = at.session('strict', { onRequest: () => undefined });
    let recorded = 0;
    at.store.before = async () => {
      await new Promise((resolve) => setTimeout(resolve, 50));
      recorded += 1;
    };
    await fetchThrough(at, session, `${upstream.url}/a`);
    expect(recorded).toBe(1);
  });

  it('exchanges that finish together share transactions', async () => {
    const { at, upstream } = await start((_request, response) => void response.end('body'));
    const session = at.session();
    at.store.before = () => new Promise((resolve) => setTimeout(resolve, 20));
    await Promise.all(Array.from({ length: 40 }, (_, i) => fetchThrough(at, session, `${upstream.url}/${i}`)));
    expect(at.store.batches.reduce((sum, size) => sum + size, 0)).toBe(40);
    expect(at.store.batches.length).toBeLessThan(30);
  });

  const full = Object.assign(new Error('no space left'), { code: 'BLOB_STORAGE_FULL', hint: 'make room' });
  it.each(['write', 'commit', 'flush'] as const)(
    'storage that fails to %s: a clear error, not a byte, a failure',
    async (operation) => {
      for (const policy of ['strict', 'permissive'] as const) {
        const { at, upstream } = await start((_request, response) => void response.end('body'));
        const session = at.session(policy);
        at.blobs.fail(operation, full);
        const got = await fetchThrough(at, session, `${upstream.url}/a`);
        expect(got.status).toBe(503);
        expect(got.text).toMatch(
          /^Cannot handle file downloads: the download cannot be stored and recorded .*no space left/,
        );
        expect(at.blobs.openWriters).toBe(0);
        if (operation !== 'flush')
          expect((await at.report(session)).failures).toMatchObject([{ phase: 'storage', statusCode: 503 }]);
        at.blobs.fail(operation, undefined);
        expect((await fetchThrough(at, session, `${upstream.url}/a`)).text).toBe('body');
      }
    },
  );

  it('a store that cannot be written: a clear error; it goes on when it can be written again', async () => {
    const { at, upstream } = await start((_request, response) => void response.end('body'));
    const session = at.session();
    at.store.fault = Object.assign(new Error('database is locked'), { code: 'STORE_UNAVAILABLE', hint: 'wait' });
    const got = await fetchThrough(at, session, `${upstream.url}/a`);
    expect(got.status).toBe(503);
    expect(got.text).toContain('database is locked');
    expect(at.store.records).toEqual([]);
    at.store.fault = undefined;
    expect((await fetchThrough(at, session, `${upstream.url}/a`)).text).toBe('body');
    expect((await at.report(session)).downloads).toHaveLength(1);
  });

  it('a stream whose record fails never completes', async () => {
    const { at, upstream } = await start(
      (_request, response) => void response.writeHead(200, { 'Content-Length': String(body.length) }).end(body),
    );
    const session = at.session('permissive');
    at.store.fault = new Error('disk gone');
    const got = await fetchThrough(at, session, `${upstream.url}/a`);
    expect(got.broken).toBeDefined();
    expect(got.body.length).toBeLessThan(body.length);
  });

  it('a stored body that turns out broken is never completed, and that is recorded', async () => {
    const { at, upstream } = await start((_request, response) => void response.end(body));
    const session = at.session();
    at.blobs.fail(
      'open',
      Object.assign(new Error('bytes do not match their name'), { code: 'BLOB_CORRUPT', hint: undefined }),
    );
    const got = await fetchThrough(at, session, `${upstream.url}/a`);
    expect(got.broken).toBeDefined();
    expect((await at.report(session)).failures).toMatchObject([{ phase: 'storage' }]);
  });
});
