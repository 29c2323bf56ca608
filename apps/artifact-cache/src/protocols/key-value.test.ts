import type { InjectOptions } from 'fastify';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { createHttpScene, type HttpScene, sha256 } from '../../test/http-scene.js';

let scene: HttpScene;
beforeEach(async () => {
  scene = await createHttpScene({
    limits: { maxBlobBytes: 10_000 },
    rules: (name) => (name === 'once' ? { overwrite: { kv: 'first-wins' } } : name === 'nowhere' ? undefined : {}),
  });
});
afterEach(() => scene.close());

function put(
  url: string,
  payload = 'a value',
  headers: Record<string, string> = {},
  as: string | undefined = 'writer',
) {
  return scene.call({ method: 'PUT', url, payload, headers, as });
}
async function value(url: string): Promise<string> {
  const got = await scene.call({ url, as: 'reader' });
  return got.statusCode === 200 ? got.body : String(got.statusCode);
}

describe('names and bytes', () => {
  it.each([
    '/kv/main/0b/9dub0eb54clr631jodofii9atf26ep4',
    '/kv/main/0b9dub0eb54clr631jodofii9atf26ep4',
    `/kv/main/ac/${sha256('ccache')}`,
    '/kv/team%2Fproject/v1/org.example/app/abc/data.xml',
    '/kv/main/a%2Fb/c%20d',
    '/kv/main/v1/cache/123',
  ])('%s: stored, asked for, replaced, removed', async (url) => {
    expect(await value(url)).toBe('404');
    expect((await put(url)).statusCode).toBe(201);
    expect(await value(url)).toBe('a value');
    const head = await scene.call({ method: 'HEAD', url });
    expect([head.statusCode, head.headers['content-length'], head.body]).toEqual([200, '7', '']);
    expect((await put(url, 'another')).statusCode).toBe(200);
    expect(await value(url)).toBe('another');
    expect((await scene.call({ method: 'DELETE', url })).statusCode).toBe(204);
    expect((await scene.call({ method: 'DELETE', url })).statusCode).toBe(404);
    expect(await value(url)).toBe('404');
  });

  it('keeps the content type, but is shown as a page by no browser', async () => {
    await put('/kv/main/page', '<script>', { 'content-type': 'text/html' });
    const { headers } = await scene.call({ url: '/kv/main/page' });
    expect(headers).toMatchObject({
      'content-type': 'text/html',
      'content-security-policy': expect.stringMatching('sandbox'),
    });
  });

  it('where names are set once, a second value is dropped and said to be', async () => {
    await put('/kv/once/a', 'first');
    const again = await put('/kv/once/a', 'second');
    expect([again.statusCode, again.headers['artifact-cache-outcome']]).toEqual([200, 'exists']);
    expect(await value('/kv/once/a')).toBe('first');
    expect((await scene.call({ method: 'DELETE', url: '/kv/once/a' })).statusCode).toBe(403);
    expect((await scene.call({ method: 'DELETE', url: '/kv/once/a', as: 'admin' })).statusCode).toBe(204);
  });

  it('sets a name only if it is new, when asked to', async () => {
    const onlyNew = { 'if-none-match': '*' };
    expect((await put('/kv/main/a', 'first', onlyNew)).statusCode).toBe(201);
    expect((await put('/kv/main/a', 'second', onlyNew)).statusCode).toBe(412);
    expect(await value('/kv/main/a')).toBe('first');
  });

  it.each<[string, string, string, string | undefined, number]>([
    ['too much', '/kv/main/a', 'x'.repeat(10_001), 'writer', 413],
    ['no key', '/kv/main', 'x', 'writer', 400],
    ['a collection', '/kv/main/a/', 'x', 'writer', 400],
    ['no namespace', '/kv/', 'x', 'writer', 400],
    ['a control character', '/kv/main/a%00b', 'x', 'writer', 400],
    ['a key without end', `/kv/main/${'k'.repeat(1025)}`, 'x', 'writer', 400],
    ['a broken namespace', '/kv/a%2F..%2Fb/x', 'x', 'writer', 400],
    ['a namespace that is not there', '/kv/nowhere/x', 'x', 'writer', 404],
    ['a reader', '/kv/main/a', 'x', 'reader', 403],
    ['a stranger', '/kv/main/a', 'x', 'stranger', 403],
    ['a wrong token', '/kv/main/a', 'x', 'nobody', 401],
  ])('refuses %s', async (_what, url, payload, as, status) => {
    expect((await put(url, payload, {}, as)).statusCode).toBe(status);
  });

  it('asks nobody in particular for credentials', async () => {
    const asked = await scene.call({ url: '/kv/main/a', as: undefined });
    expect([asked.statusCode, asked.headers['www-authenticate']]).toEqual([401, expect.stringMatching(/^Basic/)]);
    const basic = `Basic ${Buffer.from('anybody:writer').toString('base64')}`;
    expect((await scene.call({ url: '/kv/main/a', as: undefined, headers: { authorization: basic } })).statusCode).toBe(
      404,
    );
  });
});

describe('the part of WebDAV that sccache uses', () => {
  const dav = (method: string, url: string, as = 'writer') =>
    scene.app.inject({
      method: method as NonNullable<InjectOptions['method']>,
      url,
      headers: { authorization: `Bearer ${as}`, depth: '1' },
    });

  it('collections are there', async () => {
    for (const url of ['/kv/main/', '/kv/main/a/b/']) {
      const asked = await dav('PROPFIND', url);
      expect([asked.statusCode, asked.headers['content-type']]).toEqual([207, 'application/xml; charset=utf-8']);
      expect(asked.body).toContain('<D:collection/>');
      expect(asked.body).toContain(`<D:href>${url}</D:href>`);
      expect((await dav('MKCOL', url)).statusCode).toBe(201);
    }
  });

  it('files are there when they are, and no collections can be made in their place', async () => {
    expect((await dav('PROPFIND', '/kv/main/a/abc')).statusCode).toBe(404);
    await put('/kv/main/a/abc');
    expect((await dav('PROPFIND', '/kv/main/a/abc')).body).toContain('<D:getcontentlength>7</D:getcontentlength>');
    expect((await dav('MKCOL', '/kv/main/a/abc')).statusCode).toBe(405);
  });

  it('needs the same rights', async () => {
    expect((await dav('MKCOL', '/kv/main/a/', 'reader')).statusCode).toBe(403);
    expect((await dav('PROPFIND', '/kv/main/a/', 'stranger')).statusCode).toBe(403);
  });
});
