import { zstdCompressSync, zstdDecompressSync } from 'node:zlib';
import { create, type MessageInitShape, toBinary } from '@bufbuild/protobuf';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { createHttpScene, type HttpScene, metric, sha256 } from '../../test/http-scene.js';
import { ActionResultSchema, TreeSchema } from '../gen/build/bazel/remote/execution/v2/remote_execution_pb.js';

let scene: HttpScene;
beforeEach(async () => {
  scene = await createHttpScene({ limits: { maxBlobBytes: 100_000 } });
});
afterEach(() => scene.close());

const bytes = Buffer.from('some output of a build\n'.repeat(100));
const name = sha256(bytes);
const action = sha256('an action');

function put(url: string, payload: Buffer | string, headers: Record<string, string> = {}) {
  return scene.call({ method: 'PUT', url, payload, headers });
}
function result(init: MessageInitShape<typeof ActionResultSchema>): Buffer {
  return Buffer.from(toBinary(ActionResultSchema, create(ActionResultSchema, init)));
}
function digest(content: Buffer | string) {
  return { hash: sha256(content), sizeBytes: BigInt(content.length) };
}
const withFile = result({ outputFiles: [{ path: 'out/a', digest: digest(bytes) }] });

describe('blobs', () => {
  it.each(['/cas', '/main/cas', '/team/project/cas'])('%s: stored, read, asked for', async (at) => {
    expect((await scene.call({ url: `${at}/${name}` })).statusCode).toBe(404);
    expect((await put(`${at}/${name}`, bytes)).statusCode).toBe(200);
    const got = await scene.call({ url: `${at}/${name}` });
    expect(got.statusCode).toBe(200);
    expect(got.rawPayload.equals(bytes)).toBe(true);
    expect(got.headers).toMatchObject({
      'content-length': String(bytes.length),
      etag: `"${name}"`,
      'cache-control': expect.stringContaining('immutable'),
      'x-content-type-options': 'nosniff',
    });
    const head = await scene.call({ method: 'HEAD', url: `${at}/${name}` });
    expect([head.statusCode, head.headers['content-length'], head.rawPayload.length]).toEqual([
      200,
      `${bytes.length}`,
      0,
    ]);
  });

  it('no prefix is the namespace main; others do not see it', async () => {
    await put(`/cas/${name}`, bytes);
    expect((await scene.call({ url: `/main/cas/${name}` })).statusCode).toBe(200);
    expect((await scene.call({ url: `/other/cas/${name}` })).statusCode).toBe(404);
    expect(await metric(scene.serving, 'artifact_cache_lookups_total', 'bazel-http', 'main', 'hit')).toBe(1);
    expect(await metric(scene.serving, 'artifact_cache_lookups_total', 'bazel-http', 'other', 'miss')).toBe(1);
  });

  it('the empty blob is always there, and may be stored', async () => {
    expect((await scene.call({ url: `/cas/${sha256('')}` })).statusCode).toBe(200);
    expect((await put(`/cas/${sha256('')}`, '')).statusCode).toBe(200);
  });

  it.each<[string, string, Buffer | string, Record<string, string>, number]>([
    ['bytes of another name', `/cas/${sha256('other')}`, bytes, {}, 400],
    ['nothing under the name of something', `/cas/${name}`, '', {}, 400],
    ['a name that is no digest', '/cas/abc', bytes, {}, 400],
    ['a name in upper case', `/cas/${name.toUpperCase()}`, bytes, {}, 400],
    ['an encoding that is not known', `/cas/${name}`, bytes, { 'content-encoding': 'gzip' }, 400],
    ['what is said to be zstd and is not', `/cas/${name}`, bytes, { 'content-encoding': 'zstd' }, 400],
    [
      'a broken size',
      `/cas/${name}`,
      zstdCompressSync(bytes),
      { 'content-encoding': 'zstd', 'x-digest-sizebytes': '-1' },
      400,
    ],
    [
      'another size',
      `/cas/${name}`,
      zstdCompressSync(bytes),
      { 'content-encoding': 'zstd', 'x-digest-sizebytes': '7' },
      400,
    ],
    ['too much', `/cas/${sha256(Buffer.alloc(100_001))}`, Buffer.alloc(100_001), {}, 413],
    ['too much, packed', `/cas/${name}`, zstdCompressSync(Buffer.alloc(1e6)), { 'content-encoding': 'zstd' }, 413],
    ['a namespace with tricks', `/.hidden/cas/${name}`, bytes, {}, 400],
    ['a namespace with an encoded slash and dots', `/a%2F..%2Fb/cas/${name}`, bytes, {}, 400],
  ])('refuses %s', async (_what, url, payload, headers, status) => {
    expect((await put(url, payload, headers)).statusCode).toBe(status);
    expect((await scene.call({ url: `/cas/${name}` })).statusCode).toBe(404);
  });

  it('zstd on the way in and out', async () => {
    const headers = { 'content-encoding': 'zstd', 'x-digest-sizebytes': String(bytes.length) };
    expect((await put(`/cas/${name}`, zstdCompressSync(bytes), headers)).statusCode).toBe(200);
    const packed = await scene.call({ url: `/cas/${name}`, headers: { 'accept-encoding': 'gzip, zstd' } });
    expect(packed.headers).toMatchObject({
      'content-encoding': 'zstd',
      etag: `"${name}-zstd"`,
      vary: 'accept-encoding',
    });
    expect(zstdDecompressSync(packed.rawPayload).equals(bytes)).toBe(true);
    for (const accepted of ['gzip', '*', 'zstd;q=0', 'identity']) {
      const plain = await scene.call({ url: `/cas/${name}`, headers: { 'accept-encoding': accepted } });
      expect(plain.headers['content-encoding'], accepted).toBeUndefined();
      expect(plain.rawPayload.equals(bytes)).toBe(true);
    }
  });

  it('ranges and conditions', async () => {
    await put(`/cas/${name}`, bytes);
    const get = (headers: Record<string, string>) => scene.call({ url: `/cas/${name}`, headers });
    const part = await get({ range: 'bytes=10-19' });
    expect([part.statusCode, part.headers['content-range'], part.body]).toEqual([
      206,
      `bytes 10-19/${bytes.length}`,
      bytes.subarray(10, 20).toString(),
    ]);
    expect((await get({ range: 'bytes=-5' })).body).toBe(bytes.subarray(-5).toString());
    expect((await get({ range: `bytes=${bytes.length}-` })).statusCode).toBe(416);
    expect((await get({ range: 'bytes=1-2,4-5' })).statusCode).toBe(200);
    expect((await get({ range: 'bytes=0-1', 'if-range': '"older"' })).statusCode).toBe(200);
    expect((await get({ range: 'bytes=0-1', 'if-range': `"${name}"` })).statusCode).toBe(206);
    expect((await get({ 'if-none-match': `W/"x", "${name}"` })).statusCode).toBe(304);
    expect((await get({ 'if-none-match': '"x"' })).statusCode).toBe(200);
  });
});

describe('action results', () => {
  it('are found with everything they need, byte for byte as they came', async () => {
    await put(`/cas/${name}`, bytes);
    expect((await put(`/ac/${action}`, withFile)).statusCode).toBe(200);
    const got = await scene.call({ url: `/ac/${action}` });
    expect([got.statusCode, got.rawPayload.equals(withFile), got.headers['cache-control']]).toEqual([
      200,
      true,
      'private, no-store',
    ]);
    expect((await scene.call({ method: 'HEAD', url: `/ac/${action}` })).statusCode).toBe(200);
    expect((await scene.call({ url: `/other/ac/${action}` })).statusCode).toBe(404);
  });

  it('are refused before what they need is there: 409 and nothing named', async () => {
    expect((await put(`/ac/${action}`, withFile)).statusCode).toBe(409);
    const tree = result({ outputDirectories: [{ path: 'out', treeDigest: digest('no tree') }] });
    expect((await put(`/ac/${action}`, tree)).statusCode).toBe(409);
    expect((await scene.call({ url: `/ac/${action}` })).statusCode).toBe(404);
  });

  it('need what is in their trees', async () => {
    const file = { name: 'a', digest: digest(bytes) };
    const tree = Buffer.from(toBinary(TreeSchema, create(TreeSchema, { root: { files: [file] } })));
    await put(`/cas/${sha256(tree)}`, tree);
    const listed = result({ outputDirectories: [{ path: 'out', treeDigest: digest(tree) }] });
    expect((await put(`/ac/${action}`, listed)).statusCode).toBe(409);
    await put(`/cas/${name}`, bytes);
    expect((await put(`/ac/${action}`, listed)).statusCode).toBe(200);
    const entry = await scene.serving.store.namespace('main').lookup('action', [action]);
    expect(entry?.references.map(({ sha256: hash }) => hash).sort()).toEqual([name, sha256(tree)].sort());
  });

  it('contents that came inlined are stored as blobs', async () => {
    const inlined = result({ outputFiles: [{ path: 'a', digest: digest(bytes), contents: bytes }] });
    expect((await put(`/ac/${action}`, inlined)).statusCode).toBe(200);
    expect((await scene.call({ url: `/cas/${name}` })).rawPayload.equals(bytes)).toBe(true);
    const wrong = result({ outputFiles: [{ path: 'a', digest: digest(bytes), contents: Buffer.from('else') }] });
    expect((await put(`/ac/${sha256('b')}`, wrong)).statusCode).toBe(400);
  });

  it('come and go as JSON, as moon speaks', async () => {
    await put(`/cas/${name}`, bytes);
    const document = {
      outputFiles: [{ path: 'out/a', digest: { hash: name, sizeBytes: String(bytes.length) } }],
      executionMetadata: { worker: 'here' },
      somethingNew: 1,
    };
    const json = { 'content-type': 'application/json' };
    expect((await put(`/ac/${action}`, JSON.stringify(document), json)).statusCode).toBe(200);
    const got = await scene.call({ url: `/ac/${action}`, headers: { accept: 'application/json' } });
    expect(got.headers['content-type']).toMatch('application/json');
    const { somethingNew, ...known } = document;
    expect(got.json()).toEqual(known);
    expect((await scene.call({ url: `/ac/${action}` })).headers['content-type']).toMatch('octet-stream');
  });

  it.each<[string, Buffer | string, Record<string, string>]>([
    ['nothing', '', {}],
    ['no message', 'hello, this is no message', {}],
    ['a cut message', withFile.subarray(0, -3), {}],
    ['no JSON', '{', { 'content-type': 'application/json' }],
    ['JSON of something else', '{"outputFiles": 7}', { 'content-type': 'application/json' }],
    ['an absolute path', result({ outputFiles: [{ path: '/a', digest: digest(bytes) }] }), {}],
    ['a broken digest', result({ stdoutDigest: { hash: 'abc', sizeBytes: 1n } }), {}],
  ])('refuses %s', async (_what, payload, headers) => {
    await put(`/cas/${name}`, bytes);
    expect((await put(`/ac/${action}`, payload, headers)).statusCode).toBe(400);
    expect((await scene.call({ url: `/ac/${action}` })).statusCode).toBe(404);
  });

  it('a name that is taken keeps its value, and the client is not bothered', async () => {
    const first = result({ exitCode: 0, stdoutRaw: Buffer.from('first') });
    expect((await put(`/ac/${action}`, first)).statusCode).toBe(200);
    expect((await put(`/ac/${action}`, result({ stdoutRaw: Buffer.from('second') }))).statusCode).toBe(200);
    expect((await scene.call({ url: `/ac/${action}` })).rawPayload.equals(first)).toBe(true);
  });
});

describe('who may', () => {
  it.each<['GET' | 'PUT', string | undefined, number]>([
    ['GET', undefined, 401],
    ['GET', 'nobody', 401],
    ['GET', 'stranger', 403],
    ['GET', 'reader', 404],
    ['PUT', undefined, 401],
    ['PUT', 'reader', 403],
    ['PUT', 'stranger', 403],
    ['PUT', 'writer', 200],
  ])('%s by %s: %i', async (method, as, status) => {
    const answer = await scene.call({
      method,
      url: `/cas/${name}`,
      as,
      ...(method === 'PUT' ? { payload: bytes } : {}),
    });
    expect(answer.statusCode).toBe(status);
  });

  it.each(['POST', 'DELETE', 'PATCH'] as const)('%s is no method', async (method) => {
    const answer = await scene.call({ method, url: `/cas/${name}` });
    expect([answer.statusCode, answer.headers.allow]).toEqual([405, 'GET, HEAD, PUT']);
  });

  it.each(['/cas', '/cas/', '/x/y', '/ac', `/cas/${name}/more`, '/%ZZ/cas/x'])('%s is nothing', async (url) => {
    expect((await scene.call({ url })).statusCode).toBeOneOf([400, 404]);
  });
});

describe('a namespace whose actions are raw', () => {
  const manifest = Buffer.from('ccac: no action result');

  it('keeps any bytes under ac/, ever the latest, and shows them to no one who wants results', async () => {
    const raw = await createHttpScene({ rules: (space) => (space === 'cc' ? { rawActions: true } : {}) });
    try {
      const at = (space: string) => `/${space}/ac/${action}`;
      expect((await raw.call({ url: at('cc') })).statusCode).toBe(404);
      for (const payload of [manifest, Buffer.from('newer')]) {
        expect((await raw.call({ method: 'PUT', url: at('cc'), payload })).statusCode).toBe(200);
        expect((await raw.call({ url: at('cc') })).rawPayload.equals(payload)).toBe(true);
      }
      expect((await raw.call({ method: 'PUT', url: at('main'), payload: manifest })).statusCode).toBe(400);
      expect((await raw.call({ method: 'PUT', url: at('cc'), payload: manifest, as: 'reader' })).statusCode).toBe(403);
      expect(await raw.serving.store.namespace('cc').lookup('action', [action])).toBeUndefined();
      expect(await raw.serving.store.namespace('cc').lookup('raw', [action])).toBeDefined();
    } finally {
      await raw.close();
    }
  });
});
