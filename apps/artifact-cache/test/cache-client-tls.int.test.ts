import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Cache, openCache, type RemoteAuth } from '@waybill/cache-client';
import { createMemoryCacheStore } from '@waybill/cache-store';
import { type Logger, silentLogger } from '@waybill/contracts';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { buildApp } from '../src/http/build-app.js';
import { type Listener, openListener } from '../src/listen/listener.js';
import { createServing } from '../src/serving/create-serving.js';
import { type CertificateFiles, certificateDigest, makeCertificate } from './certificates.js';

describe('the client library over TLS', () => {
  let dir: string;
  let listener: Listener;
  let ca: CertificateFiles;
  let alice: CertificateFiles;
  const homes: Cache[] = [];
  const warnings: string[] = [];
  const log: Logger = { ...silentLogger, warn: (_fields, message) => void warnings.push(message) };
  const names = { project: 'demo', part: 'app', platform: 'amd64', key: 'a'.repeat(64) };

  beforeAll(async () => {
    dir = await mkdtemp(join(tmpdir(), 'waybill-client-tls-'));
    ca = await makeCertificate(dir, 'ca');
    const server = await makeCertificate(dir, 'server', ca);
    alice = await makeCertificate(dir, 'alice', ca);
    const store = createMemoryCacheStore();
    const credential = { kind: 'certificate' as const, value: await certificateDigest(alice.cert) };
    await store.principals.add(
      { id: 'alice', credential, grants: [{ namespace: 'main', right: 'write' }] },
      { principal: 'test' },
    );
    const app = await buildApp(createServing({ store }));
    listener = await openListener({
      host: '127.0.0.1',
      port: 0,
      rules: { anonymous: 'read' },
      tls: { ...server, clientCa: ca.cert },
      http: (request, response) => app.routing(request as never, response as never),
      log: silentLogger,
    });
  });
  afterAll(async () => {
    await Promise.all(homes.map((cache) => cache.close()));
    await listener.close(0);
    await rm(dir, { recursive: true, force: true });
  });

  async function opened(home: string, auth: RemoteAuth): Promise<Cache> {
    warnings.length = 0;
    const place = { url: new URL(listener.url), namespace: 'main' };
    const remotes = [{ pull: place, push: place, auth }];
    const cache = await openCache({ local: { dir: join(dir, home) }, remotes, log, retry: { firstPauseMs: 1 } });
    homes.push(cache);
    return cache;
  }

  async function stored(cache: Cache) {
    await mkdir(join(dir, 'tree'), { recursive: true });
    await writeFile(join(dir, 'tree/file'), 'hello');
    return await cache.store({ names, trees: { install: join(dir, 'tree') }, builtBy: 't', createdAt: new Date() });
  }

  it('trusts no certificate that it was not told of, and says what to do', async () => {
    const cache = await opened('stranger', {});
    expect(await cache.pull(names)).toBeUndefined();
    expect(warnings).toEqual([expect.stringMatching(/CERT|VERIFY|SIGNATURE/)]);
    const [result] = await cache.push(await stored(cache));
    expect(result?.error).toMatchObject({
      code: 'CACHE_REMOTE_UNREACHABLE',
      hint: expect.stringContaining('server-cert'),
    });
  });

  it('pushes by its certificate, and lets those without one pull', async () => {
    const mine = await opened('alice', { serverCert: ca.cert, clientCert: alice.cert, clientKey: alice.key });
    expect(await mine.push(await stored(mine))).toMatchObject([{ outcome: 'pushed' }]);
    const bob = await opened('bob', { serverCert: ca.cert });
    const pulled = await bob.pull(names);
    expect(pulled?.origin.writer).toBe('alice');
    expect(warnings).toEqual([]);
  });

  it('says which file of its configuration cannot be read', async () => {
    const cache = await opened('nobody', { serverCert: join(dir, 'none.pem') });
    expect(await cache.pull(names)).toBeUndefined();
    expect(warnings).toEqual([expect.stringContaining('none.pem')]);
  });
});
