import { randomBytes } from 'node:crypto';
import { startHttpUpstream, type UpstreamHandler } from '@waybill/testkit';
import { afterEach, describe, expect, it } from 'vitest';
import { fetchThrough } from './client.js';
import { startTestProxy } from './harness.js';
import { infoOf } from './memory-blobs.js';

const closing: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const close of closing.splice(0)) await close();
});

const modified = 'Tue, 01 Jul 2025 10:00:00 GMT';
const headers = {
  ETag: '"v1"',
  'Last-Modified': modified,
  'Accept-Ranges': 'bytes',
  'Cache-Control': 'max-age=60',
  'Content-Type': 'text/x-thing',
};

async function start(body: Buffer, handler?: UpstreamHandler) {
  const upstream = await startHttpUpstream(
    handler ??
      ((_request, response) =>
        void response.writeHead(200, { ...headers, 'Content-Length': String(body.length) }).end(body)),
  );
  const at = await startTestProxy();
  closing.push(at.close, upstream.close);
  return { at, upstream };
}

describe.each([
  ['small', randomBytes(1000)],
  ['large', randomBytes(700_000)],
])('a range of a %s artifact, answered out of the whole and verified one', (_name, body) => {
  const last = body.length - 1;
  it.each([
    ['bytes=0-0', 206, 0, 0],
    ['bytes=10-19', 206, 10, 19],
    ['bytes=990-', 206, 990, last],
    ['bytes=-5', 206, last - 4, last],
    ['bytes=0-99999999', 206, 0, last],
    ['bytes=-99999999', 206, 0, last],
    [' Bytes = 1-2', 206, 1, 2],
    ['bytes=0-1,5-6', 200, 0, last],
    ['bytes=5-2', 200, 0, last],
    ['bytes=-', 200, 0, last],
    ['bytes=a-b', 200, 0, last],
    ['items=0-1', 200, 0, last],
  ])('%s: %s', async (range, status, from, to) => {
    const { at, upstream } = await start(body);
    const session = at.session();
    // client sends
    const got = await fetchThrough(at, session, `${upstream.url}/a`, { headers: { Range: range } });
    // client gets
    expect(got.status).toBe(status);
    expect(got.body.equals(body.subarray(from, to + 1))).toBe(true);
    expect(got.headers['content-range']).toBe(status === 206 ? `bytes ${from}-${to}/${body.length}` : undefined);
    expect(got.headers['content-length']).toBe(String(to - from + 1));
    expect([got.headers.etag, got.headers['content-type']]).toEqual(['"v1"', 'text/x-thing']);
    // upstream sees: a request for the whole
    expect(upstream.requests[0]?.header('range')).toBeUndefined();
    // report says: the whole
    const { sha256 } = infoOf(body).digests;
    expect((await at.report(session)).downloads).toMatchObject([
      {
        result: 'Approved',
        statusCode: 200,
        metadata: { sha256, size: body.length },
        requestHeader: { range: [range.trim()] },
      },
    ]);
  });

  it.each(['bytes=99999999-', 'bytes=700000-700001', 'bytes=-0'])('%s: 416', async (range) => {
    const { at, upstream } = await start(body);
    const got = await fetchThrough(at, at.session(), `${upstream.url}/a`, { headers: { Range: range } });
    expect([got.status, got.text, got.headers['content-range']]).toEqual([416, '', `bytes */${body.length}`]);
  });

  it.each([
    ['"v1"', 206],
    ['"v2"', 200],
    ['W/"v1"', 200],
    [modified, 206],
    ['Tue, 01 Jul 2025 10:00:01 GMT', 200],
    ['yesterday', 200],
  ])('If-Range %s: %s', async (condition, status) => {
    const { at, upstream } = await start(body);
    const got = await fetchThrough(at, at.session(), `${upstream.url}/a`, {
      headers: { Range: 'bytes=0-9', 'If-Range': condition },
    });
    expect([got.status, got.body.length]).toEqual([status, status === 206 ? 10 : body.length]);
  });
});

it('a range of an artifact that is rejected: 403, not one byte', async () => {
  const body = randomBytes(5000);
  const { at, upstream } = await start(body);
  const session = at.session('strict', { onArtifact: () => ({ opinion: 'Rejected', reason: 'no' }) });
  const got = await fetchThrough(at, session, `${upstream.url}/a`, { headers: { Range: 'bytes=0-9' } });
  expect([got.status, got.headers['content-range']]).toEqual([403, undefined]);
});

describe.each(['GET', 'HEAD'])("the client's own condition on a %s", (method) => {
  const body = Buffer.from('the body');
  it.each([
    [{ 'If-None-Match': '"v1"' }, 304],
    [{ 'If-None-Match': 'W/"v1"' }, 304],
    [{ 'If-None-Match': '"a", "v1" , "b"' }, 304],
    [{ 'If-None-Match': '*' }, 304],
    [{ 'If-None-Match': '"v2"' }, 200],
    [{ 'If-None-Match': '"v2"', 'If-Modified-Since': modified }, 200],
    [{ 'If-Modified-Since': modified }, 304],
    [{ 'If-Modified-Since': 'Tue, 01 Jul 2025 10:00:01 GMT' }, 304],
    [{ 'If-Modified-Since': 'Tue, 01 Jul 2025 09:59:59 GMT' }, 200],
    [{ 'If-Modified-Since': 'Tuesday, 01-Jul-25 10:00:00 GMT' }, 304],
    [{ 'If-Modified-Since': 'Tue Jul  1 10:00:00 2025' }, 304],
    [{ 'If-Modified-Since': '2025-07-01' }, 200],
    [{ 'If-None-Match': '"v1"', Range: 'bytes=0-1' }, 304],
  ])('%j: %s', async (condition, status) => {
    const { at, upstream } = await start(body);
    const session = at.session();
    const got = await fetchThrough(at, session, `${upstream.url}/a`, {
      method,
      headers: condition as Record<string, string>,
    });
    expect(got.status).toBe(status);
    expect(got.text).toBe(status === 304 || method === 'HEAD' ? '' : 'the body');
    if (status === 304) {
      expect([
        got.headers.etag,
        got.headers['cache-control'],
        got.headers['content-type'],
        got.headers['content-length'],
      ]).toEqual(['"v1"', 'max-age=60', undefined, undefined]);
    }
    // upstream sees: no condition; it is asked for the whole
    const [seen] = upstream.requests;
    expect([seen?.header('if-none-match'), seen?.header('if-modified-since')]).toEqual([undefined, undefined]);
    // report says: what the upstream answered
    const report = await at.report(session);
    expect([...report.downloads, ...report.responses]).toMatchObject([{ statusCode: 200, method }]);
  });
});

it('conditions of a write go upstream: there they guard it', async () => {
  const { at, upstream } = await start(Buffer.alloc(0), (_request, response) => void response.writeHead(412).end());
  const got = await fetchThrough(at, at.session(), `${upstream.url}/a`, {
    method: 'PUT',
    body: 'x',
    headers: { 'If-None-Match': '*', 'If-Match': '"v1"', Range: 'bytes=0-1' },
  });
  expect(got.status).toBe(412);
  const [seen] = upstream.requests;
  expect([seen?.header('if-none-match'), seen?.header('if-match'), seen?.header('range')]).toEqual([
    '*',
    '"v1"',
    undefined,
  ]);
});
