import { randomBytes } from 'node:crypto';
import { brotliCompressSync, deflateSync, gzipSync, zstdCompressSync } from 'node:zlib';
import type { ArtifactInspection } from '@waybill/contracts';
import { startHttpUpstream, type UpstreamHandler } from '@waybill/testkit';
import { afterEach, describe, expect, it } from 'vitest';
import { dial, fetchThrough, readAll } from './client.js';
import { fakeLimits } from './fake-session.js';
import { startTestProxy } from './harness.js';
import { infoOf } from './memory-blobs.js';
import { pause, until } from './until.js';

const closing: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const close of closing.splice(0)) await close();
});

async function start(handler: UpstreamHandler, options: Parameters<typeof startTestProxy>[0] = {}) {
  const upstream = await startHttpUpstream(handler);
  const at = await startTestProxy(options);
  closing.push(at.close, upstream.close);
  return { at, upstream };
}

const small = Buffer.from('the body of the artifact');
const large = randomBytes(1_000_000);
const serve =
  (body: Buffer, status = 200, headers: Record<string, string> = {}): UpstreamHandler =>
  (_request, response) => {
    response.writeHead(status, { 'Content-Length': String(body.length), ...headers });
    response.end(body);
  };
const rejecting = {
  onArtifact: (): ArtifactInspection => ({ opinion: 'Rejected', reason: 'its digest is not listed' }),
};
const unknowing = { onArtifact: (): ArtifactInspection => ({ opinion: 'Unknown', reason: 'never seen' }) };
const unclaiming = { onRequest: () => undefined };
const forbidding = { onRequest: () => ({ opinion: 'Rejected', reason: 'before its index' }) as const };

describe('promise 1: nothing unapproved gets in', () => {
  it.each([
    ['nobody recognises', unclaiming, /no inspector recognises/],
    ['an inspector rejects', forbidding, /test\.file: before its index/],
  ])('a request that %s: 403, nothing goes upstream, recorded', async (_name, inspector, reason) => {
    const { at, upstream } = await start(serve(small));
    const session = at.session('strict', inspector);
    const got = await fetchThrough(at, session, `${upstream.url}/a`);
    expect([got.status, got.headers['content-type']]).toEqual([403, 'text/plain; charset=utf-8']);
    expect(got.text).toMatch(/^download authorization denied: request rejected by inspectors: .*\n$/);
    expect(got.text).toMatch(reason);
    expect(got.text.trimEnd()).not.toContain('\n');
    expect(upstream.requests).toEqual([]);
    const report = await at.report(session);
    expect(report.refusals).toMatchObject([
      { phase: 'request', statusCode: 403, delivered: false, url: `${upstream.url}/a` },
    ]);
    expect(report.all).toHaveLength(1);
  });

  describe.each([
    ['small', small],
    ['large', large],
  ])('a %s body', (_size, body) => {
    it.each([
      ['rejected', rejecting],
      ['not approved by anybody', unknowing],
    ])('that is %s: 403, not one byte, recorded with its digest', async (_name, inspector) => {
      const { at, upstream } = await start(serve(body));
      const session = at.session('strict', inspector);
      const got = await fetchThrough(at, session, `${upstream.url}/a`);
      expect(got.status).toBe(403);
      expect(got.text).toMatch(/^Download not authorized: /);
      expect(got.body.includes(body.subarray(0, 16))).toBe(false);
      const report = await at.report(session);
      const { sha256 } = infoOf(body).digests;
      expect(report.downloads).toMatchObject([
        {
          result: 'Rejected',
          delivery: 'withheld',
          statusCode: 200,
          metadata: { sha256, size: body.length },
          provides: [],
        },
      ]);
      expect(report.refusals).toMatchObject([
        { phase: 'artifact', statusCode: 403, delivered: false, inspector: 'test.file', sha256, size: body.length },
      ]);
    });

    it('that is approved: delivered as it came, recorded', async () => {
      const { at, upstream } = await start(serve(body, 200, { 'Content-Type': 'Application/X-Thing; q=1' }));
      const session = at.session();
      const got = await fetchThrough(at, session, `${upstream.url}/a?b=c`);
      expect(got.status).toBe(200);
      expect(got.body.equals(body)).toBe(true);
      const info = infoOf(body);
      expect(session.inspected.artifacts).toMatchObject([
        { digests: { sha256: info.digests.sha256 }, size: info.size, mediaType: 'application/x-thing', status: 200 },
      ]);
      expect((await at.report(session)).downloads).toMatchObject([
        {
          result: 'Approved',
          delivery: 'held',
          method: 'GET',
          url: `${upstream.url}/a?b=c`,
          statusCode: 200,
          status: '200 OK',
          contentType: 'Application/X-Thing; q=1',
          metadata: {
            sha1: info.digests.sha1,
            sha256: info.digests.sha256,
            sha512: info.size > 256 * 1024 ? '' : info.digests.sha512,
            size: info.size,
          },
          startedAt: at.clock.now(),
          endedAt: at.clock.now(),
        },
      ]);
      expect(at.blobs.content.get(info.digests.sha256)?.equals(body)).toBe(true);
    });
  });

  it.each([200, 201, 202, 203, 226, 299])('status %s with a body is inspected', async (status) => {
    const { at, upstream } = await start(serve(small, status));
    const session = at.session('strict', rejecting);
    expect((await fetchThrough(at, session, `${upstream.url}/a`)).status).toBe(403);
    expect(session.inspected.artifacts).toMatchObject([{ status }]);
  });

  it('a 206 that nobody asked for: refused, never an artifact', async () => {
    const { at, upstream } = await start(serve(small, 206, { 'Content-Range': `bytes 0-${small.length - 1}/100` }));
    const session = at.session();
    const got = await fetchThrough(at, session, `${upstream.url}/a`, { headers: { Range: 'bytes=0-5' } });
    expect([got.status, got.text]).toEqual([403, expect.stringContaining('206 Partial Content')]);
    expect((await at.report(session)).refusals).toMatchObject([{ phase: 'artifact', statusCode: 403 }]);
    expect((await at.report(session)).downloads).toEqual([]);
  });

  it.each(['POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS', 'PROPFIND'])(
    'the answer to %s is inspected',
    async (method) => {
      const { at, upstream } = await start(serve(small));
      const session = at.session('strict', rejecting);
      expect((await fetchThrough(at, session, `${upstream.url}/a`, { method })).status).toBe(403);
      expect(session.inspected.artifacts).toHaveLength(1);
    },
  );

  it.each([
    [301, { Location: '/b' }],
    [401, { 'WWW-Authenticate': 'Basic realm="x"' }],
    [403, {}],
    [404, { 'Content-Disposition': 'attachment', ETag: '"x"', 'Content-Encoding': 'identity' }],
    [500, {}],
    [503, { 'Retry-After': '5' }],
  ])('the body of a %s: withheld, replaced by a line of ours, recorded', async (status, headers) => {
    const { at, upstream } = await start(
      serve(large.subarray(0, 300_000), status, { ...headers, 'X-Kept': 'yes', 'Content-Type': 'text/html' }),
    );
    const session = at.session();
    const got = await fetchThrough(at, session, `${upstream.url}/a`);
    expect([got.status, got.headers['x-kept'], got.headers['content-type']]).toEqual([
      status,
      'yes',
      'text/plain; charset=utf-8',
    ]);
    expect(got.text).toMatch(new RegExp(`^${status} .*withheld.*\n$`));
    expect(got.headers.location).toBe('Location' in headers ? '/b' : undefined);
    expect(got.headers['www-authenticate']).toBe('WWW-Authenticate' in headers ? 'Basic realm="x"' : undefined);
    expect([got.headers.etag, got.headers['content-disposition'], got.headers['content-encoding']]).toEqual([
      undefined,
      undefined,
      undefined,
    ]);
    const report = await at.report(session);
    expect(report.responses).toMatchObject([
      { statusCode: status, delivery: 'withheld', note: `body of status ${status} withheld`, result: 'Rejected' },
    ]);
    expect(report.downloads).toEqual([]);
    expect(session.inspected.artifacts).toEqual([]);
  });

  it('an endless body of a 404: read so far and no further', async () => {
    let isClosed = false;
    const { at, upstream } = await start((_request, response) => {
      response.writeHead(404);
      const timer = setInterval(() => response.write(large), 1);
      response.once('close', () => {
        isClosed = true;
        clearInterval(timer);
      });
    });
    const session = at.session();
    expect((await fetchThrough(at, session, `${upstream.url}/a`)).status).toBe(404);
    await until(() => isClosed);
  });

  it('a withheld body leaves the connection to the upstream usable', async () => {
    const { at, upstream } = await start(serve(small, 404));
    const session = at.session();
    for (let i = 0; i < 3; i += 1) await fetchThrough(at, session, `${upstream.url}/a`);
    expect(upstream.connections).toBe(1);
  });

  it('an inspector that throws: refused, in permissive sessions too (promise 5)', async () => {
    for (const policy of ['strict', 'permissive'] as const) {
      const { at, upstream } = await start(serve(small));
      const session = at.session(policy, {
        onRequest: () => {
          throw new Error('bug');
        },
      });
      const got = await fetchThrough(at, session, `${upstream.url}/a`);
      expect(got.status).toBe(403);
      expect(got.text).toMatch(/^download authorization denied: the inspectors failed/);
      expect(upstream.requests).toEqual([]);
      expect((await at.report(session)).refusals).toMatchObject([{ phase: 'request' }]);
    }
  });

  it('an artifact phase that throws: refused, recorded (promise 5)', async () => {
    const { at, upstream } = await start(serve(small));
    const session = at.session('strict', {
      onArtifact: () => {
        throw new Error('bug');
      },
    });
    const got = await fetchThrough(at, session, `${upstream.url}/a`);
    expect(got.status).toBe(500);
    expect(got.text).not.toContain('bug');
    expect((await at.report(session)).failures).toHaveLength(1);
  });

  it('bytes seen before their index are judged again: no verdict sticks', async () => {
    const { at, upstream } = await start(serve(small));
    const session = at.session('strict', rejecting);
    expect((await fetchThrough(at, session, `${upstream.url}/a`)).status).toBe(403);
    session.inspector = {};
    expect((await fetchThrough(at, session, `${upstream.url}/a`)).status).toBe(200);
  });
});

describe('promise 4: permissive tells the truth', () => {
  it.each([
    ['a request that nobody recognises', unclaiming, 'request'],
    ['a request that is rejected', forbidding, 'request'],
    ['an artifact that is rejected', rejecting, 'artifact'],
    ['an artifact that nobody approves', unknowing, 'artifact'],
  ])('%s: delivered, recorded with the verdict of strict', async (_name, inspector, phase) => {
    for (const body of [small, large]) {
      const { at, upstream } = await start(serve(body));
      const session = at.session('permissive', inspector);
      const got = await fetchThrough(at, session, `${upstream.url}/a`);
      expect(got.status).toBe(200);
      expect(got.body.equals(body)).toBe(true);
      const report = await at.report(session);
      expect(report.downloads).toMatchObject([{ result: 'Rejected', delivery: body === small ? 'held' : 'streamed' }]);
      expect(report.refusals).toMatchObject([{ phase, delivered: true, statusCode: 200 }]);
    }
  });

  it('an approved artifact: Approved, no refusal', async () => {
    const { at, upstream } = await start(serve(large));
    const session = at.session('permissive');
    expect((await fetchThrough(at, session, `${upstream.url}/a`)).body.equals(large)).toBe(true);
    const report = await at.report(session);
    expect(report.downloads).toMatchObject([{ result: 'Approved', delivery: 'streamed' }]);
    expect(report.refusals).toEqual([]);
  });

  it.each([404, 302, 500])('the body of a %s: delivered, recorded with its digest as Rejected', async (status) => {
    for (const body of [small, large]) {
      const { at, upstream } = await start(serve(body, status, { 'Content-Type': 'text/html' }));
      const session = at.session('permissive');
      const got = await fetchThrough(at, session, `${upstream.url}/a`);
      expect([got.status, got.headers['content-type']]).toEqual([status, 'text/html']);
      expect(got.body.equals(body)).toBe(true);
      const { sha256 } = infoOf(body).digests;
      const report = await at.report(session);
      expect(report.responses).toMatchObject([{ statusCode: status, result: 'Rejected', sha256, size: body.length }]);
      expect(report.downloads).toEqual([]);
    }
  });

  it('a redirect for a request that strict would refuse: says so', async () => {
    const { at, upstream } = await start(
      (_request, response) => void response.writeHead(302, { Location: '/b' }).end(),
    );
    const session = at.session('permissive', unclaiming);
    expect((await fetchThrough(at, session, `${upstream.url}/a`)).status).toBe(302);
    const report = await at.report(session);
    expect(report.responses).toMatchObject([{ statusCode: 302, result: 'Rejected', note: 'no body' }]);
    expect(report.refusals).toMatchObject([{ phase: 'request', delivered: true, statusCode: 302 }]);
  });

  it('a 206 that nobody asked for: delivered, Rejected', async () => {
    const { at, upstream } = await start(serve(small, 206));
    const session = at.session('permissive');
    expect((await fetchThrough(at, session, `${upstream.url}/a`)).status).toBe(206);
    expect((await at.report(session)).downloads).toMatchObject([{ result: 'Rejected', statusCode: 206 }]);
  });
});

describe('content codings that nobody asked for', () => {
  const text = Buffer.from('decoded text '.repeat(1000));
  it.each([
    ['gzip', gzipSync(text)],
    ['x-gzip', gzipSync(text)],
    ['br', brotliCompressSync(text)],
    ['deflate', deflateSync(text)],
    ['zstd', zstdCompressSync(text)],
    ['gzip, br', brotliCompressSync(gzipSync(text))],
  ])('%s: bytes pass unchanged, inspectors see them decoded, digests are over the bytes', async (coding, bytes) => {
    const { at, upstream } = await start(serve(bytes, 200, { 'Content-Encoding': coding }));
    let decoded = Buffer.alloc(0);
    let raw = Buffer.alloc(0);
    const session = at.session('strict', {
      async onArtifact(artifact) {
        const read = async (stream: AsyncIterable<Buffer>) => {
          const parts: Buffer[] = [];
          for await (const part of stream) parts.push(part);
          return Buffer.concat(parts);
        };
        decoded = await read(artifact.open());
        raw = await read(artifact.openRaw());
        const whole = await artifact.decoded();
        expect(whole).toEqual(infoOf(text));
        expect(artifact.digests).toEqual(infoOf(bytes).digests);
        return { opinion: 'Approved', reason: 'fine' };
      },
    });
    const got = await fetchThrough(at, session, `${upstream.url}/a`, { headers: { 'Accept-Encoding': 'identity' } });
    expect([got.status, got.headers['content-encoding']]).toEqual([200, coding]);
    expect(got.body.equals(bytes)).toBe(true);
    expect([decoded.equals(text), raw.equals(bytes)]).toEqual([true, true]);
    expect((await at.report(session)).downloads[0]?.metadata.sha256).toBe(infoOf(bytes).digests.sha256);
  });

  it.each([
    ['that is none', 'gzip', Buffer.from('no gzip at all'), 'PROXY_CODING_INVALID'],
    ['that ends early', 'gzip', gzipSync(large).subarray(0, 5000), 'PROXY_CODING_INVALID'],
    ['that nobody knows', 'x-own', small, 'PROXY_CODING_UNSUPPORTED'],
    ['of too many layers', 'gzip, gzip, gzip, gzip', small, 'PROXY_CODING_UNSUPPORTED'],
    ['that expands without end', 'gzip', gzipSync(Buffer.alloc(40_000_000)), 'PROXY_EXPANSION_LIMIT'],
  ])('a coding %s is an error for the inspector', async (_name, coding, bytes, code) => {
    const { at, upstream } = await start(serve(bytes, 200, { 'Content-Encoding': coding }));
    let found: unknown;
    const session = at.session('strict', {
      async onArtifact(artifact) {
        try {
          for await (const _part of artifact.open());
        } catch (error) {
          found = (error as { code?: unknown }).code;
        }
        return { opinion: 'Rejected', reason: 'unreadable' };
      },
    });
    expect((await fetchThrough(at, session, `${upstream.url}/a`)).status).toBe(403);
    expect(found).toBe(code);
  });
});

describe('limits', () => {
  it.each([
    ['announced', true],
    ['not announced', false],
  ])(
    'a body larger than limits.artifact-bytes, %s: refused and recorded, in permissive too',
    async (_name, isAnnounced) => {
      for (const policy of ['strict', 'permissive'] as const) {
        const { at, upstream } = await start((_request, response) => {
          response.writeHead(200, isAnnounced ? { 'Content-Length': String(large.length) } : {});
          response.end(large);
        });
        const session = at.session(policy);
        session.limits = { ...fakeLimits, artifactBytes: 500_000 };
        const got = await fetchThrough(at, session, `${upstream.url}/a`);
        if (policy === 'strict' || isAnnounced)
          expect(got.text).toMatch(/^Download not authorized: the body is larger than 500000 bytes/);
        else expect(got.broken).toBeDefined();
        expect((await at.report(session)).refusals).toMatchObject([{ phase: 'artifact' }]);
        expect(at.blobs.openWriters).toBe(0);
      }
    },
  );
});

describe('early headers', () => {
  const slow: UpstreamHandler = async (_request, response) => {
    response.writeHead(200, { 'Content-Length': String(small.length), ETag: '"x"' });
    response.write(small.subarray(0, 5));
    await pause(300);
    response.end(small.subarray(5));
  };

  it('go out after a while; the body follows the verdict', async () => {
    const { at, upstream } = await start(slow);
    const session = at.session();
    session.limits = { ...fakeLimits, earlyHeadersAfterMs: 100 };
    const socket = await dial(at);
    let seen = '';
    socket.on('data', (part: Buffer) => {
      seen += part.toString();
    });
    socket.write(`GET ${upstream.url}/a HTTP/1.1\r\nHost: x\r\nProxy-Authorization: ${session.authorization}\r\n\r\n`);
    await until(() => seen.includes('\r\n\r\n'), 'the early headers');
    expect(seen).toMatch(/^HTTP\/1\.1 200 OK\r\n[\s\S]*Content-Length: 24\r\n/);
    expect(seen.endsWith('\r\n\r\n')).toBe(true);
    await until(() => seen.endsWith(small.toString()), 'the body');
    socket.destroy();
    expect((await at.report(session)).downloads).toMatchObject([{ delivery: 'early-headers', result: 'Approved' }]);
  });

  it('a refusal after them is a broken transfer without a byte of the body, recorded with status 0', async () => {
    const { at, upstream } = await start(slow);
    const session = at.session('strict', rejecting);
    session.limits = { ...fakeLimits, earlyHeadersAfterMs: 100 };
    const got = await fetchThrough(at, session, `${upstream.url}/a`);
    expect(got.broken).toBeDefined();
    expect(got.text).toBe('');
    const report = await at.report(session);
    expect(report.refusals).toMatchObject([{ phase: 'artifact', statusCode: 0, delivered: false }]);
    expect(report.downloads).toMatchObject([{ delivery: 'early-headers', result: 'Rejected' }]);
  });

  it('not for an HTTP/1.0 client without a length: the end of the connection would look like the end of the body', async () => {
    const { at, upstream } = await start(async (_request, response) => {
      response.write(small);
      await pause(200);
      response.end();
    });
    const session = at.session('strict', rejecting);
    session.limits = { ...fakeLimits, earlyHeadersAfterMs: 50 };
    const socket = await dial(at);
    const rest = readAll(socket);
    socket.write(`GET ${upstream.url}/a HTTP/1.0\r\nProxy-Authorization: ${session.authorization}\r\n\r\n`);
    expect((await rest).text).toMatch(/^HTTP\/1\.1 403 /);
  });

  it('never when switched off', async () => {
    const { at, upstream } = await start(slow);
    const session = at.session('strict', rejecting);
    session.limits = { ...fakeLimits, earlyHeadersAfterMs: 0 };
    expect((await fetchThrough(at, session, `${upstream.url}/a`)).status).toBe(403);
  });
});
