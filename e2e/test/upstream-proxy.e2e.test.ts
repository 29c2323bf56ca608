import { readFile } from 'node:fs/promises';
import {
  createThrowawayCa,
  type HttpUpstream,
  startHttpsUpstream,
  startHttpUpstream,
  type ThrowawayCa,
} from '@waybill/testkit';
import { beforeAll, describe, expect, it } from 'vitest';
import { curl } from './harness/curl.js';
import { allowLoopback, type Daemon, startDaemon } from './harness/daemon.js';
import { keepForFile, keepForTest } from './harness/keep.js';
import { downloadsOf, pathOf, sha256 } from './harness/report.js';
import { run } from './harness/run.js';
import type { Session } from './harness/session.js';

/** A proxy between the daemon and its upstreams; a second daemon plays it, so that both reports can be compared. */
const keep = keepForFile();
let ca: ThrowawayCa;
let https: HttpUpstream;
let http: HttpUpstream;
let outer: Daemon;
let passage: Session;

beforeAll(async () => {
  ca = await createThrowawayCa();
  https = keep(await startHttpsUpstream((_request, response) => void response.end('file'), { ca }));
  http = keep(await startHttpUpstream((_request, response) => void response.end('file')));
  outer = keep(await startDaemon({ upstreamCa: ca }));
  passage = await outer.createSession('permissive');
});

/** A daemon behind the outer one, which it has to trust as any client has. */
async function startInner(env: NodeJS.ProcessEnv, acl = allowLoopback): Promise<Daemon> {
  const certificatePem = await readFile(outer.runtime['ca-file'], 'utf8');
  const files = [https, http].map(({ url }) => ({ url: `${url}/**`, sha256: sha256('file') }));
  return keepForTest(
    await startDaemon({
      upstreamCa: { ...ca, certificatePem: ca.certificatePem + certificatePem },
      inspectors: { generic: { files } },
      acl,
      env,
    }),
  );
}

describe('an upstream proxy', () => {
  it('is used for http and https, and its credentials are shown to nobody (promise 6)', async () => {
    const inner = await startInner({ HTTP_PROXY: passage.proxyUrl, HTTPS_PROXY: passage.proxyUrl });
    const session = await inner.createSession('strict');
    for (const { url } of [https, http]) {
      expect(await curl(session, `${url}/through`)).toMatchObject({ code: 0, status: 200, text: 'file' });
    }
    const report = await session.finish();
    expect(report.artifacts).toMatchObject([{ result: 'Approved', metadata: { sha256: sha256('file') } }]);
    expect(JSON.stringify(report) + inner.output()).not.toContain(passage.token);
    const listed = await run('curl', ['--silent', '--disable', `${outer.runtime['control-url']}/status`]);
    expect(listed.stdout).toContain(passage.id);
  });

  it('is passed by for hosts of NO_PROXY', async () => {
    const proxies = { HTTP_PROXY: passage.proxyUrl, HTTPS_PROXY: passage.proxyUrl, NO_PROXY: 'localhost' };
    const inner = await startInner(proxies);
    const session = await inner.createSession('strict');
    for (const { url } of [https, http]) {
      expect(await curl(session, `${url}/${url.startsWith('https') ? 'direct' : 'through-too'}`)).toMatchObject({
        status: 200,
      });
    }
  });

  it('that is not there: a clear error', async () => {
    const inner = await startInner({ HTTPS_PROXY: 'http://127.0.0.1:1' });
    const session = await inner.createSession('strict');
    const got = await curl(session, `${https.url}/nowhere`);
    expect(got).toMatchObject({ code: 0, status: 502 });
    expect(got.text).toMatch(/proxy/);
    expect((await session.finish()).failures).toMatchObject([{ phase: 'upstream' }]);
  });

  it('that does not accept the credentials: a clear error, not a 407 for the client', async () => {
    const wrong = passage.proxyUrl.replace(passage.token, 'x'.repeat(20));
    const inner = await startInner({ HTTP_PROXY: wrong, HTTPS_PROXY: wrong });
    const session = await inner.createSession('strict');
    for (const { url } of [https, http]) {
      const got = await curl(session, `${url}/turned-away`);
      expect(got).toMatchObject({ code: 0, status: 502 });
      expect(got.text).toMatch(/407|proxy/);
      expect(got.text).not.toContain('x'.repeat(20));
    }
  });

  it('saw what was meant for it', async () => {
    const report = await passage.finish();
    const paths = downloadsOf(report).map(({ url }) => pathOf(url));
    expect(paths.sort()).toEqual(['/through', '/through', '/through-too']);
  });
});
