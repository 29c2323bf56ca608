import { createHash } from 'node:crypto';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { createHttpScene, type HttpScene } from '../../test/http-scene.js';

let scene: HttpScene;
beforeEach(async () => {
  scene = await createHttpScene({ limits: { maxBlobBytes: 10_000 } });
});
afterEach(() => scene.close());

const bytes = Buffer.from('what was built');
const sha256 = createHash('sha256').update(bytes).digest('hex');
const blob = { sha256, size: bytes.length };
const main = '/v1/namespaces/main';

const put = (payload: Buffer = bytes, name = sha256, as = 'writer', headers: Record<string, string> = {}) =>
  scene.call({ method: 'PUT', url: `${main}/blobs/${name}`, payload, as, headers });
const post = (path: string, document: unknown, as = 'writer') =>
  scene.call({ method: 'POST', url: main + path, payload: Buffer.from(JSON.stringify(document)), as });

describe('blobs', () => {
  it('come back whole, in parts and not at all', async () => {
    expect((await put()).statusCode).toBe(201);
    const url = `${main}/blobs/${sha256}`;
    const whole = await scene.call({ url, as: 'reader' });
    expect([whole.statusCode, whole.rawPayload.equals(bytes)]).toEqual([200, true]);
    expect(whole.headers).toMatchObject({
      etag: `"${sha256}"`,
      'cache-control': 'private, max-age=31536000, immutable',
      'accept-ranges': 'bytes',
    });
    const part = await scene.call({ url, as: 'reader', headers: { range: 'bytes=5-7' } });
    expect([part.statusCode, part.body, part.headers['content-range']]).toEqual([206, 'was', 'bytes 5-7/14']);
    const beyond = await scene.call({ url, as: 'reader', headers: { range: 'bytes=14-' } });
    expect([beyond.statusCode, beyond.headers['content-range']]).toEqual([416, 'bytes */14']);
    const known = await scene.call({ url, as: 'reader', headers: { 'if-none-match': `"${sha256}"` } });
    expect([known.statusCode, known.body]).toEqual([304, '']);
    const head = await scene.call({ method: 'HEAD', url, as: 'reader' });
    expect([head.statusCode, head.headers['content-length']]).toEqual([200, '14']);
    const missing = await scene.call({ url: `${main}/blobs/${'0'.repeat(64)}`, as: 'reader' });
    expect([missing.statusCode, missing.json().error]).toEqual([404, 'SERVER_NOT_FOUND']);
  });

  it.each([
    ['other bytes', Buffer.from('what was bad!!'), sha256, 400, 'CACHE_BLOB_MISMATCH'],
    ['too many', Buffer.alloc(10_001), sha256, 413, 'CACHE_BLOB_TOO_LARGE'],
    ['no digest', bytes, 'abc', 400, 'SERVER_REQUEST_INVALID'],
    ['upper case', bytes, sha256.toUpperCase(), 400, 'SERVER_REQUEST_INVALID'],
    ['a path', bytes, '..%2F..%2Fetc%2Fpasswd', 400, 'SERVER_REQUEST_INVALID'],
  ])('%s are refused, and nothing is left of them', async (_name, payload, name, status, code) => {
    const answer = await put(payload, name);
    expect([answer.statusCode, answer.json().error]).toEqual([status, code]);
    expect((await scene.call({ url: `${main}/blobs/${sha256}` })).statusCode).toBe(404);
  });

  it('says which of many are missing', async () => {
    await put();
    const other = { sha256: '1'.repeat(64), size: 3 };
    const answer = await post('/missing', { blobs: [blob, other, { ...blob, size: 3 }] }, 'reader');
    expect(answer.json()).toEqual({ missing: [other, { ...blob, size: 3 }] });
  });

  it.each([
    ['no JSON', '{"blobs":['],
    ['another form', '{"blobs":[{"sha256":"x","size":1}]}'],
    ['unknown keys', '{"blobs":[],"more":1}'],
    ['nothing', ''],
  ])('%s is no question', async (_name, text) => {
    const answer = await scene.call({
      method: 'POST',
      url: `${main}/missing`,
      payload: Buffer.from(text),
      as: 'writer',
    });
    expect([answer.statusCode, answer.json().error]).toEqual([400, 'SERVER_REQUEST_INVALID']);
  });
});

describe('entries', () => {
  const key = 'project/part/amd64/0f';
  const url = `${main}/entries/${encodeURIComponent(key)}`;
  const publish = (document: object = {}) => post('/entries', { keys: [key], value: blob, ...document });

  it('are there for the next request, under all of their names', async () => {
    await put();
    const answer = await publish({ keys: [key, 'weak'], metadata: { part: 'part' } });
    expect([answer.statusCode, answer.json()]).toEqual([201, { outcome: 'created' }]);
    const found = await scene.call({ url, as: 'reader' });
    expect(found.json()).toMatchObject({
      key,
      value: blob,
      metadata: { part: 'part' },
      writer: 'writer',
      pinned: false,
    });
    expect((await scene.call({ method: 'HEAD', url: `${main}/entries/weak` })).statusCode).toBe(200);
    expect((await publish({ keys: [key, 'weak'], metadata: { part: 'part' } })).json()).toEqual({
      outcome: 'unchanged',
    });
  });

  it('are not set without what they need', async () => {
    expect((await publish()).json().error).toBe('CACHE_BLOB_MISSING');
    expect((await publish()).statusCode).toBe(409);
  });

  it('keep their first value', async () => {
    await put();
    await publish();
    const other = Buffer.from('other');
    const digest = createHash('sha256').update(other).digest('hex');
    await put(other, digest);
    const answer = await publish({ value: { sha256: digest, size: other.length } });
    expect([answer.statusCode, answer.json()]).toEqual([409, { outcome: 'exists' }]);
  });

  it('are listed a page at a time', async () => {
    await put();
    for (const name of ['a/1', 'a/2', 'a/3', 'b']) await publish({ keys: [name] });
    const first = (await scene.call({ url: `${main}/entries?prefix=a%2F&limit=2` })).json();
    expect([first.entries.map((entry: { key: string }) => entry.key), first.next]).toEqual([['a/1', 'a/2'], 'a/2']);
    const second = (
      await scene.call({ url: `${main}/entries?prefix=a%2F&limit=2&after=${encodeURIComponent(first.next)}` })
    ).json();
    expect([second.entries.map((entry: { key: string }) => entry.key), second.next]).toEqual([['a/3'], undefined]);
    expect((await scene.call({ url: `${main}/entries?limit=0` })).statusCode).toBe(400);
    expect((await scene.call({ url: `${main}/entries?other=1` })).statusCode).toBe(400);
  });

  it('are removed and pinned by administrators only', async () => {
    await put();
    await publish();
    expect((await scene.call({ method: 'DELETE', url })).statusCode).toBe(403);
    const audit = await scene.serving.store.audit({ limit: 1 });
    expect(audit).toMatchObject([{ action: 'refuse', writer: { principal: 'writer' } }]);
    const pin = (pinned: unknown) => {
      const payload = Buffer.from(JSON.stringify({ pinned }));
      return scene.call({ method: 'PUT', url: url.replace('/entries/', '/pins/'), payload, as: 'admin' });
    };
    expect((await pin(true)).json()).toEqual({ pinned: true });
    expect((await scene.call({ url })).json()).toMatchObject({ pinned: true });
    expect((await pin('yes')).statusCode).toBe(400);
    expect((await scene.call({ method: 'DELETE', url, as: 'admin' })).statusCode).toBe(204);
    expect((await scene.call({ method: 'DELETE', url, as: 'admin' })).statusCode).toBe(404);
    expect((await pin(false)).statusCode).toBe(404);
    const { records } = (await scene.call({ url: `${main}/audit?limit=3`, as: 'admin' })).json();
    expect(records.map((record: { action: string }) => record.action)).toEqual(['remove', 'pin', 'refuse']);
  });
});

describe('uploads that are resumed', () => {
  const begin = async (document: unknown = blob) => {
    const answer = await post('/uploads', document);
    return { answer, url: `${main}/uploads/${answer.json().id}` };
  };
  const patch = (url: string, offset: number | string, payload: Buffer, as = 'writer') =>
    scene.call({ method: 'PATCH', url, payload, as, headers: { 'upload-offset': String(offset) } });

  it('go on where they are, and are verified at the end', async () => {
    const { answer, url } = await begin();
    expect([answer.statusCode, answer.headers.location]).toEqual([201, url]);
    expect((await patch(url, 0, bytes.subarray(0, 5))).headers['upload-offset']).toBe('5');
    const head = await scene.call({ method: 'HEAD', url });
    expect([head.headers['upload-offset'], head.headers['upload-length']]).toEqual(['5', '14']);
    const wrong = await patch(url, 3, bytes.subarray(3));
    expect([wrong.statusCode, wrong.json().error]).toEqual([409, 'SERVER_UPLOAD_OFFSET']);
    const done = await patch(url, 5, bytes.subarray(5));
    expect([done.statusCode, done.json()]).toEqual([201, blob]);
    expect((await scene.call({ url: `${main}/blobs/${sha256}` })).rawPayload.equals(bytes)).toBe(true);
    expect((await scene.call({ method: 'HEAD', url })).statusCode).toBe(404);
  });

  it.each([
    ['more bytes than announced', Buffer.alloc(15)],
    ['other bytes', Buffer.alloc(14)],
  ])('%s end an upload', async (_name, payload) => {
    const { url } = await begin();
    expect((await patch(url, 0, payload)).json().error).toBe('CACHE_BLOB_MISMATCH');
    expect((await scene.call({ method: 'HEAD', url })).statusCode).toBe(404);
    expect((await scene.call({ url: `${main}/blobs/${sha256}` })).statusCode).toBe(404);
  });

  it('are given up, and are nobody else’s', async () => {
    const { url } = await begin();
    expect((await patch(url, '', bytes)).statusCode).toBe(400);
    expect((await scene.call({ method: 'HEAD', url, as: 'reader' })).statusCode).toBe(403);
    expect((await scene.call({ method: 'DELETE', url })).statusCode).toBe(204);
    expect((await patch(url, 0, bytes)).json().error).toBe('SERVER_UPLOAD_UNKNOWN');
  });

  it('too large a one is not begun', async () => {
    expect((await begin({ ...blob, size: 10 * 1024 ** 3 })).answer.statusCode).toBe(413);
    expect((await begin({ ...blob, size: -1 })).answer.statusCode).toBe(400);
  });
});

describe('who may', () => {
  it.each([
    ['GET', '/v1/namespaces/main/entries/a', undefined, 401],
    ['PUT', `/v1/namespaces/main/blobs/${sha256}`, 'reader', 403],
    ['POST', '/v1/namespaces/main/entries', 'reader', 403],
    ['POST', '/v1/namespaces/main/uploads', 'reader', 403],
    ['GET', '/v1/namespaces/main/audit', 'writer', 403],
    ['PUT', '/v1/namespaces/main/pins/a', 'writer', 403],
    ['GET', '/v1/namespaces/no%20name/entries/a', 'reader', 400],
    ['GET', '/v1/namespaces/..%2Fmain/entries/a', 'reader', 400],
  ] as const)('%s %s by %s: %i', async (method, url, as, status) => {
    const answer = await scene.call({ method, url, as, ...(method === 'GET' ? {} : { payload: bytes }) });
    expect(answer.statusCode).toBe(status);
    expect(answer.json()).toMatchObject({ error: expect.any(String), message: expect.any(String) });
  });

  it('tells a caller who they are', async () => {
    expect((await scene.call({ url: '/v1/info', as: 'reader' })).json()).toMatchObject({
      service: 'artifact-cache',
      principal: 'reader',
      grants: [{ right: 'read' }],
      'max-blob-bytes': 10_000,
    });
    expect((await scene.call({ url: '/v1/info', as: undefined })).json()).toMatchObject({
      principal: 'anonymous',
      grants: [],
    });
  });
});

describe('what watches the server', () => {
  it('gets probes, numbers and a description without credentials', async () => {
    for (const url of ['/healthz', '/readyz', '/metrics', '/status', '/openapi.json']) {
      expect([url, (await scene.call({ url, as: undefined })).statusCode]).toEqual([url, 200]);
    }
    await put();
    await scene.call({ url: `${main}/blobs/${sha256}` });
    const { body } = await scene.call({ url: '/metrics' });
    expect(body).toContain('artifact_cache_lookups_total{protocol="native",namespace="main",result="hit"} 1');
    expect((await scene.call({ url: `${main}/blobs/${sha256}`, as: undefined })).statusCode).toBe(401);
    expect((await scene.call({ url: '/metrics' })).body).toContain(
      'artifact_cache_refusals_total{protocol="native",code="UNAUTHENTICATED"} 1',
    );
    const { paths } = (await scene.call({ url: '/openapi.json' })).json();
    expect(Object.keys(paths)).toContain('/v1/namespaces/{namespace}/entries/{name}');
    expect(Object.keys(paths)).toHaveLength(11);
  });
});
