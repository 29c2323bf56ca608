import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { readFile, writeFile } from 'node:fs/promises';
import { connect } from 'node:net';
import { beforeAll, describe, expect, it } from 'vitest';
import { type CacheServer, startCacheServer } from './harness/cache-server.js';
import { keepForFile } from './harness/keep.js';
import { sha256 } from './harness/report.js';
import { run } from './harness/run.js';
import { spoilFiles } from './harness/spoil-files.js';
import { createTempDir, type TempDir } from './harness/temp-dir.js';
import { until } from './harness/until.js';

const keep = keepForFile();
let server: CacheServer;
let writer: string;
let dir: TempDir;
const bytes = randomBytes(3_000_000);
const name = sha256(bytes);

beforeAll(async () => {
  server = keep(await startCacheServer());
  writer = await server.token('ci', '*=write');
  dir = keep(await createTempDir());
  await writeFile(dir.at('bytes'), bytes);
});

/** The real curl; as the writer unless told otherwise. */
async function curl(path: string, args: readonly string[] = [], token = writer) {
  const ran = await run('curl', [
    ...['--disable', '--silent', '--show-error', '--dump-header', dir.at('head'), '--output', dir.at('body')],
    ...(token === '' ? [] : ['--header', `Authorization: Bearer ${token}`]),
    ...['--write-out', '%{response_code}'],
    ...args,
    `${server.origin}${path}`,
  ]);
  const head = await readFile(dir.at('head'), 'latin1');
  return {
    code: ran.code,
    status: Number(ran.stdout),
    body: await readFile(dir.at('body')).catch(() => Buffer.alloc(0)),
    header: (field: string) => new RegExp(`^${field}: *(.*?)\\r?$`, 'im').exec(head)?.[1],
  };
}

describe('curl', () => {
  it('stores and reads a blob, whole, in parts, resumed and not again', async () => {
    expect((await curl(`/c/cas/${name}`, ['--upload-file', dir.at('bytes')])).status).toBe(200);
    const whole = await curl(`/c/cas/${name}`);
    expect([whole.status, whole.body.equals(bytes), whole.header('etag')]).toEqual([200, true, `"${name}"`]);
    const part = await curl(`/c/cas/${name}`, ['--range', '1000000-1999999']);
    expect([part.status, part.header('content-range')]).toEqual([206, `bytes 1000000-1999999/${bytes.length}`]);
    expect(part.body.equals(bytes.subarray(1_000_000, 2_000_000))).toBe(true);
    expect((await curl(`/c/cas/${name}`, ['--range', `${bytes.length}-`])).status).toBe(416);
    await writeFile(dir.at('body'), bytes.subarray(0, 12_345));
    const resumed = await curl(`/c/cas/${name}`, ['--continue-at', '-']);
    expect([resumed.status, resumed.body.equals(bytes)]).toEqual([206, true]);
    expect((await curl(`/c/cas/${name}`, ['--header', `If-None-Match: "${name}"`])).status).toBe(304);
    const head = await curl(`/c/cas/${name}`, ['--head']);
    expect([head.status, head.header('content-length')]).toEqual([200, String(bytes.length)]);
  });

  it('stores what comes in chunks, and asks first when it is told to', async () => {
    const args = ['--upload-file', dir.at('bytes'), '--header'];
    expect((await curl('/kv/c/chunked', [...args, 'Transfer-Encoding: chunked'])).status).toBe(201);
    expect((await curl('/kv/c/expected', [...args, 'Expect: 100-continue'])).status).toBe(201);
    for (const key of ['chunked', 'expected']) expect((await curl(`/kv/c/${key}`)).body.equals(bytes)).toBe(true);
  });

  it('is answered when a large body is refused: the wrong name, no right, wrong credentials', async () => {
    const args = ['--upload-file', dir.at('bytes'), '--header', 'Expect:'];
    const reader = await server.token('laptop', 'c=read');
    expect((await curl(`/c/cas/${sha256(Buffer.from('other'))}`, args)).status).toBe(400);
    expect((await curl(`/c/cas/${name}`, args, reader)).status).toBe(403);
    expect((await curl(`/elsewhere/cas/${name}`, args, reader)).status).toBe(403);
    expect((await curl('/kv/c/a', args, reader)).status).toBe(403);
    expect((await curl('/kv/c/a', args, 'wrong')).status).toBe(401);
    expect((await curl('/kv/c/a', args, '')).status).toBe(401);
    expect((await curl('/kv/c/a')).status).toBe(404);
  });

  it('as Gradle speaks: its types, any 2xx, 404 for a miss', async () => {
    const type = 'application/vnd.gradle.build-cache-artifact.v1';
    const headers = ['--header', 'X-Gradle-Version: 4.4.1', '--header', `Accept: ${type}`, '--user', `ci:${writer}`];
    const key = '0123456789abcdef0123456789abcdef';
    expect((await curl(`/kv/gradle/${key}`, headers, '')).status).toBe(404);
    const upload = [...headers, '--header', `Content-Type: ${type}`, '--upload-file', dir.at('bytes')];
    expect((await curl(`/kv/gradle/${key}`, upload, '')).status).toBe(201);
    const got = await curl(`/kv/gradle/${key}`, headers, '');
    expect([got.status, got.header('content-type'), got.body.equals(bytes)]).toEqual([200, type, true]);
  });
});

describe('bytes that changed on the disk', () => {
  it.each([
    ['small', 2_000],
    ['large', 5_000_000],
  ])('%s: never come through whole, and are gone afterwards', async (what, size) => {
    const content = randomBytes(size);
    await writeFile(dir.at(what), content);
    const path = `/kv/c/spoilt-${what}`;
    expect((await curl(path, ['--upload-file', dir.at(what)])).status).toBe(201);
    expect(await spoilFiles(server.dir, content.subarray(0, 64))).toBe(1);
    const got = await curl(path);
    // 18, 56: the answer broke off.
    expect(got.status === 404 || got.code === 18 || got.code === 56, `status ${got.status}, curl ${got.code}`).toBe(
      true,
    );
    expect((await curl(path)).status).toBe(404);
    expect((await curl(path, ['--upload-file', dir.at(what)])).status).toBeOneOf([200, 201]);
    expect((await curl(path)).body.equals(content)).toBe(true);
  });
});

describe('a body that breaks off', () => {
  it.each([
    ['with its length', 'Content-Length: 1000000'],
    ['with ten GiB announced', 'Content-Length: 10737418240'],
    ['in chunks', 'Transfer-Encoding: chunked'],
  ])('%s: stores nothing, and the server goes on', async (what, header) => {
    const key = `cut-${what.replaceAll(' ', '-')}`;
    const socket = connect(Number(new URL(server.origin).port), '127.0.0.1');
    await once(socket, 'connect');
    socket.on('error', () => undefined);
    const data = header.startsWith('T') ? `${(1024).toString(16)}\r\n${'x'.repeat(1024)}\r\n` : 'x'.repeat(1024);
    socket.write(`PUT /kv/c/${key} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ${writer}\r\n${header}\r\n\r\n${data}`);
    socket.end();
    socket.resume();
    await until('the server closed its end', () => socket.destroyed || socket.readableEnded);
    socket.destroy();
    expect((await curl(`/kv/c/${key}`)).status).toBe(404);
    expect((await curl(`/kv/c/${key}`, ['--upload-file', dir.at('bytes')])).status).toBe(201);
  });
});
