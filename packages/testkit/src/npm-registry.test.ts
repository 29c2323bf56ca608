import { createHash } from 'node:crypto';
import { afterEach, describe, expect, it } from 'vitest';
import { type NpmRegistry, startNpmRegistry } from './npm-registry.js';

describe('startNpmRegistry', () => {
  let registry: NpmRegistry;
  afterEach(() => registry.close());

  it('serves packuments whose integrity fits the tarballs', async () => {
    registry = await startNpmRegistry({
      packages: { '@s/a': { '1.0.0': {}, '1.1.0': { manifest: { license: 'ISC' } } } },
      path: '/npm',
    });
    const packument = (await (await fetch(`${registry.url}@s%2fa`)).json()) as {
      versions: Record<string, { dist: { tarball: string; integrity: string } } | undefined>;
    };
    expect(packument).toMatchObject({ name: '@s/a', 'dist-tags': { latest: '1.1.0' } });
    const dist = packument.versions['1.1.0']?.dist ?? { tarball: '', integrity: '' };
    const bytes = Buffer.from(await (await fetch(dist.tarball)).arrayBuffer());
    expect(dist.integrity).toBe(`sha512-${createHash('sha512').update(bytes).digest('base64')}`);
    expect(bytes).toEqual(registry.tarball('@s/a', '1.1.0'));
    expect(registry.requests).toEqual(['GET /npm/@s%2fa', 'GET /npm/@s/a/-/a-1.1.0.tgz']);
  });

  it('answers abbreviated packuments, versions, tags, unchanged and missing ones', async () => {
    registry = await startNpmRegistry({ packages: { a: { '1.0.0': {} } } });
    const short = await fetch(`${registry.url}a`, { headers: { accept: 'application/vnd.npm.install-v1+json' } });
    expect(await short.json()).not.toHaveProperty('readme');
    const again = await fetch(`${registry.url}a`, {
      headers: { accept: 'application/vnd.npm.install-v1+json', 'if-none-match': short.headers.get('etag') ?? '' },
    });
    expect(again.status).toBe(304);
    expect(await (await fetch(`${registry.url}a/latest`)).json()).toMatchObject({ version: '1.0.0' });
    expect(await (await fetch(`${registry.url}-/package/a/dist-tags`)).json()).toEqual({ latest: '1.0.0' });
    expect((await fetch(`${registry.url}b`)).status).toBe(404);
  });

  it('lets a test tamper', async () => {
    registry = await startNpmRegistry({
      packages: { a: { '1.0.0': {} } },
      answer: (_request, { status }) => ({ status, headers: {}, body: Buffer.from('changed') }),
    });
    expect(await (await fetch(`${registry.url}a`)).text()).toBe('changed');
  });
});
