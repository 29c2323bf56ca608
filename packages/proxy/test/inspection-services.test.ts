import type { CatalogRef, InspectionServices } from '@waybill/contracts';
import { startHttpUpstream } from '@waybill/testkit';
import { afterEach, describe, expect, it } from 'vitest';
import { fetchThrough } from './client.js';
import type { FakeInspector } from './fake-session.js';
import { openGuard, startTestProxy } from './harness.js';
import { infoOf } from './memory-blobs.js';

const closing: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const close of closing.splice(0)) await close();
});

async function start(options: Parameters<typeof startTestProxy>[0] = {}) {
  const upstream = await startHttpUpstream((request, response) => {
    if (request.url === '/dists/Release.gpg') return void response.writeHead(200, { 'X-A': 'b' }).end('signature');
    if (request.url === '/large') return void response.end(Buffer.alloc(5000));
    if (request.url === '/missing') return void response.writeHead(404).end('no');
    response.end(`body of ${request.url}`);
  });
  const at = await startTestProxy(options);
  closing.push(at.close, upstream.close);
  return { at, upstream };
}

/** An inspector that does something with its services and approves. */
function using(work: (services: InspectionServices) => Promise<unknown>): FakeInspector {
  return {
    async onArtifact(_artifact, services) {
      const found = await work(services).catch((error: Error & { code?: string }) => error.code ?? error.message);
      return { opinion: 'Approved', reason: String(found) };
    },
  };
}

describe('companion', () => {
  it('is fetched from the same origin and recorded with the verdict of the artifact', async () => {
    const { at, upstream } = await start();
    const session = at.session('strict', {
      async onArtifact(artifact, services) {
        const bytes = await services.companion(new URL('/dists/Release.gpg', artifact.request.url), 100);
        return { opinion: 'Approved', reason: Buffer.from(bytes ?? []).toString() };
      },
    });
    session.credential = (url) =>
      url.endsWith('.gpg') ? { type: 'header', name: 'Authorization', value: 'Basic secret' } : undefined;
    const got = await fetchThrough(at, session, `${upstream.url}/dists/Release`, {
      headers: { 'User-Agent': 'apt', Cookie: 'c' },
    });
    expect(got.text).toBe('body of /dists/Release');
    expect(upstream.requests.map(({ target }) => target)).toEqual(['/dists/Release', '/dists/Release.gpg']);
    const seen = upstream.requests[1];
    expect([seen?.header('user-agent'), seen?.header('cookie'), seen?.header('authorization')]).toEqual([
      'apt',
      undefined,
      'Basic secret',
    ]);
    const [artifact, companion] = (await at.report(session)).downloads;
    expect(artifact).toMatchObject({ delivery: 'held', responseInspection: { 'test.file': { reason: 'signature' } } });
    expect(companion).toMatchObject({
      delivery: 'companion',
      result: 'Approved',
      url: `${upstream.url}/dists/Release.gpg`,
      method: 'GET',
      statusCode: 200,
      responseHeader: { 'x-a': ['b'] },
      requestInspection: { 'test.file': { opinion: 'Pending' } },
      metadata: { ...infoOf(Buffer.from('signature')).digests, size: 9, name: 'Release.gpg' },
      provides: [],
    });
    expect(at.store.batches).toEqual([2]);
    expect(JSON.stringify(at.store.records)).not.toContain('Basic secret');
  });

  it('of an artifact that is refused: Rejected too', async () => {
    const { at, upstream } = await start();
    const session = at.session('strict', {
      async onArtifact(artifact, services) {
        await services.companion(new URL('/dists/Release.gpg', artifact.request.url), 100);
        return { opinion: 'Rejected', reason: 'bad signature' };
      },
    });
    await fetchThrough(at, session, `${upstream.url}/dists/Release`);
    expect((await at.report(session)).downloads).toMatchObject([
      { result: 'Rejected' },
      { result: 'Rejected', delivery: 'companion' },
    ]);
  });

  it.each([
    ['an origin that the session does not allow', 'http://other.example/x', 100, 'PROXY_COMPANION_REFUSED', 1],
    ['another port', 'http://127.0.0.1:1/x', 100, 'PROXY_COMPANION_REFUSED', 1],
    ['more than wanted', '/large', 4999, 'undefined', 1],
    ['another status', '/missing', 100, 'undefined', 1],
  ])('from %s: not to be had, not recorded', async (_name, place, max, outcome, downloads) => {
    const { at, upstream } = await start();
    const session = at.session('strict', {
      ...using((services) => services.companion(new URL(place, upstream.url), max)),
      onRequest: ({ url }) => ({ opinion: url.href.startsWith(upstream.url) ? 'Pending' : 'Unknown', reason: 'test' }),
    });
    await fetchThrough(at, session, `${upstream.url}/a`);
    const report = await at.report(session);
    expect(report.downloads).toHaveLength(downloads);
    expect(report.downloads[0]?.responseInspection['test.file']?.reason).toBe(outcome);
  });

  it('from another origin that the session allows: fetched and recorded', async () => {
    const { at, upstream } = await start();
    const other = await startHttpUpstream((_request, response) => void response.end('tile'));
    closing.push(other.close);
    const session = at.session(
      'strict',
      using(async (services) => String(await services.companion(new URL('/tile', other.url), 100))),
    );
    await fetchThrough(at, session, `${upstream.url}/a`);
    expect((await at.report(session)).downloads.map(({ url, delivery }) => `${delivery} ${url}`)).toEqual([
      `held ${upstream.url}/a`,
      `companion ${other.url}/tile`,
    ]);
  });

  it('more than a few of one artifact: refused', async () => {
    const { at, upstream } = await start();
    const session = at.session(
      'strict',
      using(async (services) => {
        for (let i = 0; i < 40; i += 1) await services.companion(new URL(`/c${i}`, upstream.url), 100);
      }),
    );
    await fetchThrough(at, session, `${upstream.url}/a`);
    const [artifact] = (await at.report(session)).downloads;
    expect(artifact?.responseInspection['test.file']?.reason).toBe('PROXY_COMPANION_REFUSED');
    expect(upstream.requests.length).toBeLessThan(30);
  });

  it('is subject to the guard like everything', async () => {
    let isOpen = true;
    const guard = openGuard();
    const { at, upstream } = await start({
      egress: { refusalFor: (address, port) => (isOpen ? guard.refusalFor(address, port) : 'closed') },
    });
    const session = at.session(
      'strict',
      using(async (services) => {
        isOpen = false;
        at.proxy.setEgress({ refusalFor: () => 'closed' });
        await services.companion(new URL('/c', upstream.url), 100);
      }),
    );
    await fetchThrough(at, session, `${upstream.url}/a`);
    expect(upstream.requests).toHaveLength(1);
  });
});

describe('trusted catalogs', () => {
  const index: FakeInspector = {
    onArtifact: () => ({ opinion: 'Approved', reason: 'signed', provides: [{ scope: 's', kind: 'k' }] }),
  };
  const file: FakeInspector = {
    async onArtifact(_artifact, services) {
      const refs = await services.trustedCatalogs('s');
      return refs.length > 0
        ? { opinion: 'Approved', reason: 'listed' }
        : { opinion: 'Rejected', reason: 'fetch the index first' };
    },
  };

  it('are there for the next request once the index is recorded; the store is asked once', async () => {
    const { at, upstream } = await start();
    const session = at.session('strict', file);
    expect((await fetchThrough(at, session, `${upstream.url}/file`)).status).toBe(403);
    session.inspector = index;
    expect((await fetchThrough(at, session, `${upstream.url}/index`)).status).toBe(200);
    session.inspector = file;
    for (let i = 0; i < 5; i += 1) expect((await fetchThrough(at, session, `${upstream.url}/file`)).status).toBe(200);
    // Once before the index (and again, before refusing), once after it.
    expect(at.store.catalogReads).toBe(3);
  });

  it.each(['strict', 'permissive'] as const)(
    '%s: that cannot be looked up fail the download, whatever an inspector makes of it (promises 4 and 5)',
    async (policy) => {
      const { at, upstream } = await start();
      const session = at.session(policy, {
        async onArtifact(_artifact, services) {
          // As the runner does: an inspector that throws has rejected.
          const refs = await services.trustedCatalogs('s').catch(() => undefined);
          return refs ? { opinion: 'Approved', reason: 'listed' } : { opinion: 'Rejected', reason: 'it threw' };
        },
      });
      const catalogs = at.store.catalogs;
      at.store.catalogs = () => Promise.reject(Object.assign(new Error('the server is gone'), { code: 'STORE_X' }));
      const got = await fetchThrough(at, session, `${upstream.url}/file`);
      expect(got.status).toBe(503);
      expect(got.text).toContain('cannot be looked up (STORE_X): the server is gone');
      at.store.catalogs = catalogs;
      expect((await fetchThrough(at, session, `${upstream.url}/file`)).status).toBe(200);
      const report = await at.report(session);
      expect(report.downloads).toHaveLength(1);
      expect(report.failures).toMatchObject([{ phase: 'storage', statusCode: 503, delivered: false }]);
      expect(report.refusals).toEqual([]);
    },
  );

  it('of a rejected index are not trusted', async () => {
    const { at, upstream } = await start();
    const session = at.session('permissive', {
      onRequest: () => undefined,
      onArtifact: () => ({ opinion: 'Approved', reason: 'x', provides: [{ scope: 's', kind: 'k' }] }),
    });
    await fetchThrough(at, session, `${upstream.url}/index`);
    expect((await at.report(session)).downloads).toMatchObject([{ result: 'Rejected', provides: [] }]);
  });

  it('recorded by another process are seen before anything is refused for their lack', async () => {
    const { at, upstream } = await start();
    const session = at.session('strict', file);
    expect((await fetchThrough(at, session, `${upstream.url}/file`)).status).toBe(403);
    const elsewhere: CatalogRef = {
      scope: 's',
      kind: 'k',
      sha256: '0'.repeat(64),
      inspector: 'test.file',
      url: 'x',
      name: 'index',
    };
    at.store.catalogRefs.set(`${session.id} s`, [elsewhere]);
    expect((await fetchThrough(at, session, `${upstream.url}/file`)).status).toBe(200);
  });

  it('of one session are not those of another', async () => {
    const { at, upstream } = await start();
    const [one, other] = [at.session('strict', index), at.session('strict', file)];
    await fetchThrough(at, one, `${upstream.url}/index`);
    expect((await fetchThrough(at, other, `${upstream.url}/file`)).status).toBe(403);
  });
});

it('an artifact that the session has approved can be opened again', async () => {
  const { at, upstream } = await start();
  const { sha256 } = infoOf(Buffer.from('body of /a')).digests;
  const session = at.session();
  await fetchThrough(at, session, `${upstream.url}/a`);
  session.inspector = using(async (services) => {
    let text = '';
    for await (const part of services.openArtifact(sha256)) text += part;
    return text;
  });
  await fetchThrough(at, session, `${upstream.url}/b`);
  expect((await at.report(session)).downloads[1]?.responseInspection['test.file']?.reason).toBe('body of /a');
});

it('the observer is told of each exchange, without secrets', async () => {
  const { at, upstream } = await start();
  const session = at.session('strict');
  await fetchThrough(at, session, `${upstream.url}/a?token=abc`);
  session.inspector = { onArtifact: () => ({ opinion: 'Rejected', reason: 'no' }) };
  await fetchThrough(at, session, `${upstream.url}/b`);
  await at.proxy.settled(session.id);
  expect(at.events).toMatchObject([
    {
      sessionId: session.id,
      policy: 'strict',
      method: 'GET',
      url: `${upstream.url}/a?token=[redacted]`,
      status: 200,
      upstreamBytes: 20,
      clientBytes: 20,
      result: 'Approved',
      delivery: 'held',
      refusal: undefined,
    },
    {
      status: 403,
      result: 'Rejected',
      delivery: 'withheld',
      refusal: { kind: 'refusal', phase: 'artifact', delivered: false },
    },
  ]);
});
