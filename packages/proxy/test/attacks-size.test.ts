import { buffer } from 'node:stream/consumers';
import { brotliCompressSync, constants, createZstdCompress, deflateSync, gzipSync, zstdCompressSync } from 'node:zlib';
import { startHttpUpstream } from '@waybill/testkit';
import { afterEach, describe, expect, it } from 'vitest';
import { startAttackScene, statuses, ways } from './attack-scene.js';
import { dial, fetchThrough, readAll } from './client.js';
import { fakeLimits } from './fake-session.js';
import { startTestProxy } from './harness.js';
import { until } from './until.js';

const closing: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const close of closing.splice(0)) await close();
});

describe.each(ways)('oversized requests, %s', (way) => {
  it.each([
    ['a URL of 17 KiB', `GET TARGET/${'a'.repeat(17 * 1024)} HTTP/1.1\r\nHost: HOST\r\nAUTH\r\n\r\n`, 414],
    ['a URL of 1 MiB', `GET TARGET/${'a'.repeat(1 << 20)} HTTP/1.1\r\nHost: HOST\r\nAUTH\r\n\r\n`, 431],
    ['a query of 1 MiB', `GET TARGET/?${'a&'.repeat(1 << 19)} HTTP/1.1\r\nHost: HOST\r\nAUTH\r\n\r\n`, 431],
    ['a field of 1 MiB', `GET TARGET/ HTTP/1.1\r\nHost: HOST\r\nAUTH\r\nX-A: ${'a'.repeat(1 << 20)}\r\n\r\n`, 431],
    ['a field name of 1 MiB', `GET TARGET/ HTTP/1.1\r\nHost: HOST\r\nAUTH\r\n${'A'.repeat(1 << 20)}: a\r\n\r\n`, 431],
    ['100 000 fields', `GET TARGET/ HTTP/1.1\r\nHost: HOST\r\nAUTH\r\n${'a:b\r\n'.repeat(100_000)}\r\n`, 431],
    ['a method of 1 MiB', `${'A'.repeat(1 << 20)} TARGET/ HTTP/1.1\r\n\r\n`, 400],
    ['a version of 1 MiB', `GET TARGET/ HTTP/1.${'1'.repeat(1 << 20)}\r\n\r\n`, 400],
    ['a megabyte without a line', 'GET '.repeat(1 << 18), 400],
  ])('%s: refused, the connection ends, nothing goes upstream', async (_name, request, status) => {
    const scene = await startAttackScene(way);
    closing.push(scene.close);
    const session = scene.at.session('permissive');
    const socket = await scene.connect(session);
    const rest = readAll(socket);
    socket.write(scene.fill(request, session));
    // Who sends on regardless may be cut off before the answer is read.
    const [found = status] = statuses((await rest).text);
    expect(found).toBe(status);
    expect(scene.upstream.received).toBe('');
    await until(() => scene.at.proxy.stats().connections === 0, 'the end of the connection');
  });
});

it.each([
  ['a CONNECT to a name of 64 KiB', `CONNECT ${'a'.repeat(64 * 1024)}:443 HTTP/1.1\r\n\r\n`],
  ['a CONNECT to a name of 300 characters', `CONNECT ${'a.'.repeat(150)}example:443 HTTP/1.1\r\nAUTH\r\n\r\n`],
  [
    'credentials of 32 KiB',
    `GET http://a.example/ HTTP/1.1\r\nProxy-Authorization: Basic ${'QQ'.repeat(16 * 1024)}\r\n\r\n`,
  ],
])('%s: refused', async (_name, request) => {
  const scene = await startAttackScene('plain');
  closing.push(scene.close);
  const [status] = statuses(await scene.send(request, scene.at.session()));
  expect([400, 407, 431]).toContain(status);
});

/** A hundred mebibytes of zeros, packed. */
const zeros = Buffer.alloc(100 << 20);
const bombs: [coding: string, body: Buffer][] = [
  ['gzip', gzipSync(zeros)],
  ['br', brotliCompressSync(zeros, { params: { [constants.BROTLI_PARAM_QUALITY]: 4 } })],
  ['zstd', zstdCompressSync(zeros)],
  ['deflate', deflateSync(zeros)],
  ['gzip, gzip', gzipSync(gzipSync(zeros))],
  [
    'gzip, br, gzip',
    gzipSync(brotliCompressSync(gzipSync(zeros), { params: { [constants.BROTLI_PARAM_QUALITY]: 4 } })),
  ],
];

describe('decompression bombs', () => {
  it.each(bombs)('Content-Encoding: %s as an answer: nobody expands it beyond its limit', async (coding, body) => {
    const upstream = await startHttpUpstream(
      (_request, response) => void response.writeHead(200, { 'Content-Encoding': coding }).end(body),
    );
    const at = await startTestProxy();
    closing.push(at.close, upstream.close);
    let expanded = 0;
    const session = at.session('strict', {
      onArtifact: async (artifact) => {
        try {
          for await (const chunk of artifact.open()) expanded += (chunk as Buffer).length;
          return { opinion: 'Approved', reason: 'read to its end' };
        } catch (error) {
          return { opinion: 'Rejected', reason: (error as { code?: string }).code ?? String(error) };
        }
      },
    });
    const got = await fetchThrough(at, session, `${upstream.url}/a`);
    expect([got.status, got.text]).toEqual([403, expect.stringContaining('PROXY_EXPANSION_LIMIT')]);
    expect(expanded).toBeLessThanOrEqual(Math.max(16 << 20, body.length * 256));
  });

  it.each(bombs)('Content-Encoding: %s as a request: 413, nothing goes upstream', async (coding, body) => {
    const upstream = await startHttpUpstream((_request, response) => void response.end('body'));
    const at = await startTestProxy();
    closing.push(at.close, upstream.close);
    const session = at.session('strict');
    session.limits = { ...fakeLimits, inspectedRequestBytes: 1 << 20 };
    const got = await fetchThrough(at, session, `${upstream.url}/a`, {
      method: 'POST',
      headers: { 'Content-Encoding': coding },
      body,
    });
    expect(got.status).toBe(413);
    expect(upstream.requests).toEqual([]);
  });

  it('a frame of zstd that wants a window of 128 MiB gets none', async () => {
    const compressor = createZstdCompress({ params: { [constants.ZSTD_c_windowLog]: 27 } });
    compressor.end(Buffer.alloc(1 << 20));
    const body = await buffer(compressor);
    const upstream = await startHttpUpstream(
      (_request, response) => void response.writeHead(200, { 'Content-Encoding': 'zstd' }).end(body),
    );
    const at = await startTestProxy();
    closing.push(at.close, upstream.close);
    const session = at.session('strict', {
      onArtifact: async (artifact) => {
        const fault = await buffer(artifact.open()).catch((error) => error);
        return { opinion: Buffer.isBuffer(fault) ? 'Approved' : 'Rejected', reason: String(fault.code) };
      },
    });
    const got = await fetchThrough(at, session, `${upstream.url}/a`);
    expect([got.status, got.text]).toEqual([403, expect.stringContaining('PROXY_CODING_INVALID')]);
  });

  it('four codings on top of each other are not looked into', async () => {
    const body = gzipSync(gzipSync(gzipSync(gzipSync('x'))));
    const upstream = await startHttpUpstream(
      (_request, response) => void response.writeHead(200, { 'Content-Encoding': 'gzip,gzip,gzip,gzip' }).end(body),
    );
    const at = await startTestProxy();
    closing.push(at.close, upstream.close);
    const session = at.session('strict', {
      onArtifact: async (artifact) => {
        const fault = await buffer(artifact.open()).catch((error) => error);
        return { opinion: Buffer.isBuffer(fault) ? 'Approved' : 'Rejected', reason: String(fault.code) };
      },
    });
    const got = await fetchThrough(at, session, `${upstream.url}/a`);
    expect([got.status, got.text]).toEqual([403, expect.stringContaining('PROXY_CODING_UNSUPPORTED')]);
  });
});

it('connections that say nothing are ended, and others served meanwhile', async () => {
  const upstream = await startHttpUpstream((_request, response) => void response.end('body'));
  const at = await startTestProxy({ limits: { headersTimeoutMs: 300 } });
  closing.push(at.close, upstream.close);
  const silent = await Promise.all(Array.from({ length: 100 }, () => dial(at)));
  expect((await fetchThrough(at, at.session(), `${upstream.url}/a`)).text).toBe('body');
  await until(() => at.proxy.stats().connections <= 1, 'the end of the silent ones');
  for (const socket of silent) socket.destroy();
});
