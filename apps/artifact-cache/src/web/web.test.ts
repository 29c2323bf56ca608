import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { createHttpScene, type HttpScene } from '../../test/http-scene.js';
import { formatAge, formatBytes, formatCount } from './formats.js';

let scene: HttpScene;
beforeEach(async () => {
  scene = await createHttpScene({});
});
afterEach(() => scene.close());

async function publish(key: string) {
  const put = await scene.call({ method: 'PUT', url: '/kv/main/x', payload: Buffer.from('bytes'), as: 'writer' });
  expect(put.statusCode).toBeLessThan(300);
  const namespace = scene.serving.store.namespace('main');
  const upload = await namespace.upload({ writer: { principal: 'writer' } });
  await upload.write(Buffer.from('bytes'));
  const value = await upload.commit();
  await namespace.publish({ kind: 'artifact', keys: [key], value }, { principal: 'writer', client: '<b>tool</b>' });
}

describe('the page', () => {
  it('shows what the caller may read, and who wrote it', async () => {
    await publish('app/part/amd64/abc');
    const page = await scene.call({ url: '/', as: 'reader' });
    expect([page.statusCode, page.headers['content-type']]).toEqual([200, 'text/html; charset=utf-8']);
    for (const text of ['seen as <b>reader</b>', '<b>main</b>', 'app/part/amd64/abc', 'writer', 'just now'])
      expect(page.body).toContain(text);
  });

  it('takes names for text, whatever is in them (markup, what turns lines around)', async () => {
    await publish('<script>alert(1)</script>"\u202e');
    const page = await scene.call({ url: '/', as: 'reader' });
    expect(page.body).not.toContain('<script>alert');
    expect(page.body).not.toContain('<b>tool</b>');
    expect(page.body).not.toContain('\u202e');
    expect(page.body).toContain('&lt;script&gt;alert(1)&lt;/script&gt;&quot;\ufffd');
    expect(page.headers['content-security-policy']).toMatch(/^default-src 'none'; style-src 'sha256-/);
  });

  it('counts hits and misses', async () => {
    await publish('a');
    await scene.call({ url: '/kv/main/x', as: 'reader' });
    await scene.call({ url: '/kv/main/nothing', as: 'reader' });
    expect((await scene.call({ url: '/', as: 'reader' })).body).toContain('1 of 2 were there');
  });

  it('asks who it is where nothing is open', async () => {
    const page = await scene.call({ url: '/', as: undefined });
    expect([page.statusCode, page.headers['www-authenticate']]).toEqual([401, 'Basic realm="artifact-cache"']);
  });
});

it('numbers are written for people', () => {
  expect([0, 1023, 1024, 1536, 150 * 2 ** 20, 3 * 2 ** 50].map(formatBytes)).toEqual([
    ...['0 B', '1023 B', '1.0 KiB', '1.5 KiB', '150 MiB', '3.0 PiB'],
  ]);
  expect([0, 999, 1000, 1234567].map(formatCount)).toEqual(['0', '999', '1\u202f000', '1\u202f234\u202f567']);
  expect([-5, 59_000, 60_000, 3_600_000, 90_000_000].map(formatAge)).toEqual([
    ...['just now', 'just now', '1 min ago', '1 h ago', '1 d ago'],
  ]);
});
