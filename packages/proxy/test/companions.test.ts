import { type InspectionServices, WaybillError } from '@waybill/contracts';
import { startHttpUpstream } from '@waybill/testkit';
import { afterEach, describe, expect, it } from 'vitest';
import { fetchThrough } from './client.js';
import type { FakeInspector } from './fake-session.js';
import { startTestProxy } from './harness.js';

const closing: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const close of closing.splice(0)) await close();
});

async function start() {
  const upstream = await startHttpUpstream((request, response) => {
    if (request.url === '/broken') response.socket?.destroy();
    else if (request.url === '/away') response.writeHead(503).end('away');
    else response.end(`body of ${request.url}`);
  });
  const at = await startTestProxy();
  closing.push(at.close, upstream.close);
  return { at, upstream };
}

/** Fetches `/index` for whatever is not `/index`, and approves the index on its own. */
const withIndex = (of: Partial<FakeInspector> = {}): FakeInspector => ({
  async onArtifact(artifact, services) {
    if (artifact.request.url.pathname === '/index') {
      const origin = { kind: 'origin', id: 'test.origin', name: 'upstream' } as const;
      return {
        opinion: 'Approved',
        reason: 'from the origin',
        vouchedBy: [origin],
        provides: [{ scope: 's', kind: 'k' }],
      };
    }
    const bytes = await services.companion(new URL('/index', artifact.request.url), 100);
    return { opinion: bytes ? 'Approved' : 'Rejected', reason: 'listed' };
  },
  ...of,
});

describe('a companion is inspected as any other download', () => {
  it('its record has what its inspectors say, and its catalogs are trusted', async () => {
    const { at, upstream } = await start();
    const session = at.session('strict', withIndex());
    expect((await fetchThrough(at, session, `${upstream.url}/file`)).status).toBe(200);
    const companion = (await at.report(session)).downloads.find(({ delivery }) => delivery === 'companion');
    expect(companion).toMatchObject({
      url: `${upstream.url}/index`,
      result: 'Approved',
      requestInspection: { 'test.file': { opinion: 'Pending' } },
      responseInspection: { 'test.file': { opinion: 'Approved', reason: 'from the origin' } },
      vouchedBy: [{ kind: 'origin', id: 'test.origin' }],
      provides: [{ scope: 's', kind: 'k', url: `${upstream.url}/index` }],
      metadata: { name: 'index' },
    });
    expect(await at.store.catalogs(session.id, 's')).toHaveLength(1);
  });

  it('its verdict is its own, whatever becomes of the artifact', async () => {
    const { at, upstream } = await start();
    const session = at.session('strict', {
      async onArtifact(artifact, services) {
        const isIndex = artifact.request.url.pathname === '/index';
        if (!isIndex) await services.companion(new URL('/index', artifact.request.url), 100);
        return { opinion: isIndex ? 'Approved' : 'Rejected', reason: 'x' };
      },
    });
    expect((await fetchThrough(at, session, `${upstream.url}/file`)).status).toBe(403);
    const { downloads } = await at.report(session);
    expect(downloads).toMatchObject([
      { url: `${upstream.url}/file`, result: 'Rejected' },
      { url: `${upstream.url}/index`, result: 'Approved', delivery: 'companion' },
    ]);
  });

  it('one that nobody claims shares the verdict of the artifact', async () => {
    const { at, upstream } = await start();
    const session = at.session('strict', {
      ...withIndex(),
      onRequest: ({ url }) => (url.pathname === '/index' ? undefined : { opinion: 'Pending', reason: 'mine' }),
      async onArtifact(artifact, services) {
        if (artifact.request.url.pathname === '/index') return { opinion: 'Unknown', reason: 'nobody' };
        await services.companion(new URL('/index', artifact.request.url), 100);
        return { opinion: 'Approved', reason: 'x' };
      },
    });
    expect((await fetchThrough(at, session, `${upstream.url}/file`)).status).toBe(200);
    expect((await at.report(session)).downloads[1]).toMatchObject({ delivery: 'companion', result: 'Approved' });
  });

  it('the artifact is its companion, and nothing is fetched for it', async () => {
    const { at, upstream } = await start();
    const seen: (string | undefined)[] = [];
    const session = at.session('strict', {
      async onArtifact(artifact, services) {
        const isIndex = artifact.request.url.pathname === '/index';
        if (!isIndex) await services.companion(new URL('/index', artifact.request.url), 100);
        else {
          for (const [path, most] of [
            ['/file', 100],
            ['/file', 3],
            ['/other', 100],
          ] as const) {
            const bytes = await services.companion(new URL(path, artifact.request.url), most);
            seen.push(bytes && Buffer.from(bytes).toString());
          }
        }
        return { opinion: 'Approved', reason: 'x' };
      },
    });
    expect((await fetchThrough(at, session, `${upstream.url}/file`)).status).toBe(200);
    expect(seen).toEqual(['body of /file', undefined, undefined]);
    expect(upstream.requests.map(({ target }) => target)).toEqual(['/file', '/index']);
  });
});

describe('a companion of an exchange that came to nothing', () => {
  const unjudged = {
    kind: 'response',
    statusCode: 200,
    delivery: 'companion',
    note: 'fetched for an exchange that came to nothing before anybody looked at it',
    size: 'body of /index'.length,
  };

  async function fetchIndex(artifact: { readonly request: { readonly url: URL } }, services: InspectionServices) {
    await services.companion(new URL('/index', artifact.request.url), 100);
  }

  it('upstream breaks off: it is an answer that nobody judged, not a rejected artifact', async () => {
    const { at, upstream } = await start();
    const session = at.session('strict', {
      async onArtifact(artifact, services) {
        await fetchIndex(artifact, services);
        await services.companion(new URL('/broken', artifact.request.url), 100);
        return { opinion: 'Approved', reason: 'x' };
      },
    });
    expect((await fetchThrough(at, session, `${upstream.url}/file`)).status).toBe(502);
    const { downloads, responses, failures } = await at.report(session);
    expect(downloads).toEqual([]);
    expect(failures).toMatchObject([{ url: `${upstream.url}/file`, phase: 'upstream' }]);
    expect(responses).toMatchObject([{ ...unjudged, url: `${upstream.url}/index` }]);
    expect(responses[0]).not.toHaveProperty('result');
    expect([...at.blobs.content.keys()]).toContain(responses[0]?.sha256);
  });

  it.each(['strict', 'permissive'] as const)('%s session, answer without artifact: the same', async (policy) => {
    const { at, upstream } = await start();
    const session = at.session(policy, {
      async vouched(request, services) {
        await fetchIndex({ request }, services);
        return [];
      },
    });
    await fetchThrough(at, session, `${upstream.url}/away`);
    const { downloads, responses } = await at.report(session);
    expect(downloads).toEqual([]);
    expect(responses).toMatchObject([{ statusCode: 503 }, { ...unjudged, url: `${upstream.url}/index` }]);
  });

  it('session is over: the end is recorded, also when the store takes no answers of it any more', async () => {
    const { at, upstream } = await start();
    at.store.refuses = ({ kind }) =>
      kind === 'response' ? new WaybillError('STORE_SESSION_OVER', 'it is over') : undefined;
    const session = at.session('strict', {
      async onArtifact(artifact, services) {
        await fetchIndex(artifact, services);
        session.end();
        return { opinion: 'Approved', reason: 'x' };
      },
    });
    await fetchThrough(at, session, `${upstream.url}/file`);
    const { all } = await at.report(session);
    expect(all).toMatchObject([{ url: `${upstream.url}/file`, phase: 'session', delivered: false }]);
  });

  it('judged, and the record of its artifact could not be written: it keeps its verdict', async () => {
    const { at, upstream } = await start();
    at.store.refuses = ({ kind, url }) =>
      kind === 'download' && url.endsWith('/file') ? new Error('disk full') : undefined;
    const session = at.session('strict', withIndex());
    expect((await fetchThrough(at, session, `${upstream.url}/file`)).status).toBe(503);
    const { downloads, responses, failures } = await at.report(session);
    expect(failures).toMatchObject([{ phase: 'storage' }]);
    expect(downloads).toMatchObject([{ url: `${upstream.url}/index`, result: 'Approved', delivery: 'companion' }]);
    expect(responses).toEqual([]);
  });
});
