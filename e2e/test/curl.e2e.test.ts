import { createHash } from 'node:crypto';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { gzipSync } from 'node:zlib';
import { refusalBodySchema } from '@waybill/contracts';
import { createThrowawayCa, type HttpUpstream, startHttpsUpstream, startHttpUpstream } from '@waybill/testkit';
import { beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { curl } from './harness/curl.js';
import { type Daemon, startDaemon } from './harness/daemon.js';
import { keepForFile } from './harness/keep.js';
import { artifactAt, chainsOf, sha256, verdictOf } from './harness/report.js';
import type { Session } from './harness/session.js';

const keep = keepForFile();
let https: HttpUpstream;
let http: HttpUpstream;
let daemon: Daemon;
let strict: Session;

const file = Buffer.from('a pinned file\n'.repeat(20_000));
const pinned = sha256(file);
const modified = 'Thu, 01 Jan 2026 00:00:00 GMT';

/** Serves the pinned file, and on other paths what a test is about. */
function serve(request: IncomingMessage, response: ServerResponse): void {
  const { pathname } = new URL(request.url ?? '/', 'http://upstream.example');
  const answer = answers[pathname];
  if (answer) answer(request, response);
  else response.writeHead(200, { etag: '"one"', 'last-modified': modified, 'accept-ranges': 'bytes' }).end(file);
}
const answers: Record<string, typeof serve> = {
  '/changed': (_request, response) => void response.end('something else'),
  '/gone': (_request, response) => void response.writeHead(404).end('<h1>secret page</h1>'),
  '/broken': (_request, response) => void response.writeHead(500).end('stack trace'),
  '/moved': (_request, response) => void response.writeHead(302, { location: '/file' }).end('moved there'),
  '/nothing': (_request, response) => void response.writeHead(204).end(),
  '/empty': (_request, response) => void response.writeHead(200, { 'content-length': '0' }).end(),
  '/gzip': (_request, response) => void response.writeHead(200, { 'content-encoding': 'gzip' }).end(gzipSync(file)),
  '/gzip-changed': (_request, response) =>
    void response.writeHead(200, { 'content-encoding': 'gzip' }).end(gzipSync('other')),
  '/chunked': (_request, response) => {
    response.writeHead(200, { trailer: 'X-Sum', 'transfer-encoding': 'chunked' });
    response.write(file.subarray(0, 1000));
    response.addTrailers({ 'X-Sum': 'as-sent' });
    response.end(file.subarray(1000));
  },
};

beforeAll(async () => {
  const ca = await createThrowawayCa();
  https = keep(await startHttpsUpstream(serve, { ca }));
  http = keep(await startHttpUpstream(serve));
  const files = [`${https.url}/**`, `${http.url}/**`].map((url) => ({ url, sha256: pinned }));
  daemon = keep(await startDaemon({ upstreamCa: ca, inspectors: { generic: { files }, limits: { reuse: 'off' } } }));
});
beforeEach(async () => {
  strict = await daemon.createSession('strict');
});

describe('a pinned file', () => {
  it.each(['https', 'http'])('over %s: delivered, reported with digest and pin (promise 2)', async (scheme) => {
    const { url } = scheme === 'https' ? https : http;
    const got = await curl(strict, `${url}/file`);
    expect(got).toMatchObject({ code: 0, status: 200, connectStatus: scheme === 'https' ? 200 : 0 });
    expect(got.body.equals(file)).toBe(true);
    const report = await strict.finish();
    const artifact = artifactAt(report, '/file');
    expect(artifact).toMatchObject({
      result: 'Approved',
      metadata: {
        sha256: pinned,
        sha1: createHash('sha1').update(file).digest('hex'),
        // large, and pinned by another digest
        sha512: '',
        size: file.length,
      },
      downloads: [{ method: 'GET', url: `${url}/file`, 'status-code': 200 }],
    });
    expect(chainsOf(artifact)).toEqual([expect.stringMatching(/^digest:/)]);
    expect([...report.refusals, ...report.failures, ...report.responses]).toEqual([]);
  });

  it.each(['text', 'JSON'])(
    'that changed: refused with what was found and wanted, as %s (promises 1, 4)',
    async (form) => {
      const accept = form === 'JSON' ? ['-H', 'Accept: application/json'] : [];
      const got = await curl(strict, `${https.url}/changed`, accept);
      expect(got).toMatchObject({ code: 0, status: 403 });
      const wanted = `expected sha256:${pinned}, found sha256:${sha256('something else')}`;
      if (form === 'JSON') {
        const body = refusalBodySchema.strict().parse(JSON.parse(got.text));
        expect(body).toMatchObject({ inspector: 'generic.file', url: `${https.url}/changed`, 'session-id': strict.id });
        expect(body.reason).toContain(wanted);
        expect(body.hint).toBeTruthy();
      } else {
        expect(got.text).toMatch(/^Download not authorized: .*\n$/);
        expect(got.text).toContain(wanted);
        expect(got.head).toMatch(/^HTTP\/1\.1 403 Forbidden: generic\.file: expected sha256:/);
      }
      const report = await strict.finish();
      const permissive = await daemon.createSession('permissive');
      expect((await curl(permissive, `${https.url}/changed`, accept)).text).toBe('something else');
      const lenient = await permissive.finish();
      expect(report.refusals).toMatchObject([
        { delivered: false, 'status-code': 403, sha256: sha256('something else') },
      ]);
      expect(lenient.refusals).toMatchObject([{ delivered: true }]);
      expect(lenient.refusals.map(verdictOf)).toEqual(report.refusals.map(verdictOf));
    },
  );
});

describe('parts and conditions are answered out of the whole (promise 1)', () => {
  it.each([
    ['bytes=5-9', 206, file.subarray(5, 10), `bytes 5-9/${file.length}`],
    ['bytes=-4', 206, file.subarray(-4), `bytes ${file.length - 4}-${file.length - 1}/${file.length}`],
    ['bytes=279990-', 206, file.subarray(279_990), `bytes 279990-${file.length - 1}/${file.length}`],
    ['bytes=9999999-', 416, Buffer.alloc(0), `bytes */${file.length}`],
  ])('Range: %s → %d', async (range, status, body, contentRange) => {
    const before = https.requests.length;
    const got = await curl(strict, `${https.url}/file`, ['-H', `Range: ${range}`]);
    expect(got).toMatchObject({ code: 0, status });
    expect(got.header('content-range')).toBe(contentRange);
    if (status === 206) expect(got.body.equals(body)).toBe(true);
    expect(https.requests.slice(before).map((request) => request.header('range'))).toEqual([undefined]);
    const report = await strict.finish();
    expect(artifactAt(report, '/file')).toMatchObject({
      result: 'Approved',
      metadata: { sha256: pinned, size: file.length },
    });
  });

  it('a part of a file that changed is refused', async () => {
    const got = await curl(strict, `${https.url}/changed`, ['-H', 'Range: bytes=0-3']);
    expect(got.status).toBe(403);
    expect(got.text).not.toContain('some');
  });

  it.each([
    ['If-None-Match: "one"', 304],
    ['If-None-Match: "two"', 200],
    [`If-Modified-Since: ${modified}`, 304],
  ])('%s → %d', async (condition, status) => {
    const got = await curl(strict, `${https.url}/file`, ['-H', condition]);
    expect(got).toMatchObject({ code: 0, status });
    expect(got.body.length).toBe(status === 304 ? 0 : file.length);
  });

  it('HEAD has the fields and no artifact', async () => {
    const got = await curl(strict, `${https.url}/file`, ['--head']);
    expect(got).toMatchObject({ code: 0, status: 200 });
    expect(got.header('etag')).toBe('"one"');
    const report = await strict.finish();
    expect(report.artifacts).toEqual([]);
    expect(report.responses).toMatchObject([{ method: 'HEAD', 'status-code': 200, note: 'no body' }]);
  });
});

describe('encodings and framing', () => {
  it('gzip in strict: what it decodes to is what is pinned', async () => {
    const got = await curl(strict, `${https.url}/gzip`, ['--compressed']);
    expect(got).toMatchObject({ code: 0, status: 200 });
    expect(got.body.equals(file)).toBe(true);
    const report = await strict.finish();
    expect(artifactAt(report, '/gzip')).toMatchObject({
      result: 'Approved',
      metadata: { sha256: sha256(gzipSync(file)) },
    });
  });

  it('gzip around something else is refused', async () => {
    const got = await curl(strict, `${https.url}/gzip-changed`, ['--compressed']);
    expect(got).toMatchObject({ status: 403 });
  });

  it('chunks and trailers pass, and the trailers are in the report', async () => {
    const got = await curl(strict, `${https.url}/chunked`);
    expect(got).toMatchObject({ code: 0, status: 200 });
    expect(got.body.equals(file)).toBe(true);
    expect(got.header('x-sum')).toBe('as-sent');
    const [download] = artifactAt(await strict.finish(), '/chunked').downloads;
    expect(download?.['response-trailer']).toEqual({ 'x-sum': ['as-sent'] });
  });

  it.each([
    ['/nothing', 204],
    ['/empty', 200],
  ])('%s: no body, no artifact, but in the report', async (path, status) => {
    expect(await curl(strict, `${https.url}${path}`)).toMatchObject({ code: 0, status, text: '' });
    const report = await strict.finish();
    expect(report.artifacts).toEqual([]);
    expect(report.responses).toMatchObject([{ 'status-code': status }]);
  });
});

describe('answers that are no artifact', () => {
  it.each([
    ['/gone', 404, '<h1>secret page</h1>'],
    ['/broken', 500, 'stack trace'],
    ['/moved', 302, 'moved there'],
  ])(
    '%s: %d without its body in strict, with it in permissive; both reported alike (promises 1, 4)',
    async (path, status, text) => {
      const got = await curl(strict, `${https.url}${path}`);
      expect(got).toMatchObject({ code: 0, status });
      expect(got.text).not.toContain(text);
      expect(got.text).toContain('withheld');
      const permissive = await daemon.createSession('permissive');
      expect(await curl(permissive, `${https.url}${path}`)).toMatchObject({ code: 0, status, text });
      const [report, lenient] = [await strict.finish(), await permissive.finish()];
      expect([report.artifacts, lenient.artifacts]).toEqual([[], []]);
      for (const { responses } of [report, lenient]) {
        expect(responses).toMatchObject([{ url: `${https.url}${path}`, 'status-code': status, result: 'Rejected' }]);
      }
    },
  );
});
