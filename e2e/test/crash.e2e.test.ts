import { readdir, readFile, writeFile } from 'node:fs/promises';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { createThrowawayCa, type HttpUpstream, startHttpsUpstream, type ThrowawayCa } from '@waybill/testkit';
import { beforeAll, describe, expect, it } from 'vitest';
import { curl } from './harness/curl.js';
import { type Daemon, startDaemon } from './harness/daemon.js';
import { keepForFile, keepForTest } from './harness/keep.js';
import { freePorts } from './harness/ports.js';
import { createRandom } from './harness/random.js';
import { downloadsOf, pathOf, sha256 } from './harness/report.js';
import { run } from './harness/run.js';
import type { Session } from './harness/session.js';
import { createTempDir } from './harness/temp-dir.js';
import { until } from './harness/until.js';

/** Promise 2 under `kill -9`: what a client completed is in the report, and the session goes on. */
const keep = keepForFile();
const random = createRandom();
let ca: ThrowawayCa;
let upstream: HttpUpstream;
let daemon: Daemon;

/** Small ones (packed together), some of the size where it changes, and large ones (streamed). */
const sizes = [1, 900, 40_000, 260_000, 300_000, 1_500_000];
const paths = Array.from({ length: 120 }, (_, n) => `/${n}`);
const pathsOf = (policy: string) => paths.map((path) => `/${policy}${path}`);
const bodyOf = (path: string) => {
  const n = Number(path.slice(path.lastIndexOf('/') + 1));
  return Buffer.alloc(sizes[n % sizes.length] ?? 1, `${path} is unlike the others `);
};

beforeAll(async () => {
  ca = await createThrowawayCa();
  const serve = (request: IncomingMessage, response: ServerResponse) => {
    if (request.url !== '/never-ends') response.end(bodyOf(request.url ?? ''));
    else response.writeHead(200, { 'content-length': '3000000' }).write(Buffer.alloc(2_000_000));
  };
  upstream = keep(await startHttpsUpstream(serve, { ca }));
  // Each policy has its own, or what one stored would answer the other, and no request would arrive upstream.
  const all = [...paths, ...['strict', 'permissive'].flatMap(pathsOf)];
  const files = all.map((path) => ({ url: upstream.url + path, sha256: sha256(bodyOf(path)) }));
  daemon = keep(await startDaemon({ upstreamCa: ca, inspectors: { generic: { files } }, ports: await freePorts() }));
});

/** What one run of curl over many URLs, eight at a time, got whole. */
async function downloadMany(session: Session, wanted: readonly string[], onStart: () => void): Promise<string[]> {
  const dir = await createTempDir();
  try {
    const lines = wanted.map((path) => `url = "${upstream.url}${path}"\noutput = "/dev/null"`);
    await writeFile(dir.at('curlrc'), lines.join('\n'));
    const running = run('curl', [
      ...['--disable', '--silent', '--parallel', '--parallel-max', '8', '--config', dir.at('curlrc')],
      ...['--proxy', session.proxyUrl, '--cacert', session.caFile],
      ...['--write-out', '%{exitcode} %{response_code} %{size_download} %{url}\n'],
    ]);
    onStart();
    const { stdout } = await running;
    return stdout.split('\n').flatMap((line) => {
      const [exitCode, status, size, url] = line.split(' ');
      if (exitCode !== '0' || status !== '200' || url === undefined) return [];
      const path = pathOf(url);
      expect(Number(size), `${path} was complete`).toBe(bodyOf(path).length);
      return [path];
    });
  } finally {
    await dir.close();
  }
}

describe.each(['strict', 'permissive'] as const)('%s: kill -9 at random points during downloads', (policy) => {
  it(`loses nothing that a client completed, and the session goes on (promise 2; seed ${random.seed})`, async () => {
    const session = await daemon.createSession(policy);
    const own = pathsOf(policy);
    const completed = new Set<string>();
    for (let round = 0; round < 5; round++) {
      const left = own.filter((path) => !completed.has(path));
      const seen = upstream.requests.length;
      const threshold = random.between(1, Math.max(2, left.length / 2));
      const delayMs = random.between(0, 30);
      let killed: Promise<unknown> | undefined;
      const got = downloadMany(session, left, () => {
        killed = until('requests arrive', () => upstream.requests.length >= seen + threshold)
          .then(() => sleep(delayMs))
          .then(() => daemon.kill('SIGKILL'));
      });
      for (const path of await got) completed.add(path);
      await killed;
      await daemon.start();
    }
    const last = own.filter((path) => !completed.has(path));
    for (const path of await downloadMany(session, last, () => {})) completed.add(path);
    expect([...completed].sort()).toEqual([...own].sort());

    const report = await session.finish();
    const reported = downloadsOf(report);
    const digests = new Map(reported.map(({ url, artifact }) => [pathOf(url), artifact.metadata.sha256]));
    expect(digests).toEqual(new Map(own.toSorted().map((path) => [path, sha256(bodyOf(path))])));
    expect(reported.every(({ result }) => result === (policy === 'strict' ? 'Approved' : result))).toBe(true);
    expect(report.refusals.filter(({ delivered }) => !delivered)).toEqual([]);
  });
});

describe('after kill -9', () => {
  it('before anything was stored, and again after that', async () => {
    const fresh = keepForTest(await startDaemon({ upstreamCa: ca, ports: await freePorts() }));
    const session = await fresh.createSession('permissive');
    for (const path of ['/1', '/2', '/3']) {
      await fresh.kill('SIGKILL');
      await fresh.start();
      expect(await curl(session, upstream.url + path)).toMatchObject({ code: 0, status: 200 });
    }
    await fresh.kill('SIGKILL');
    await fresh.start();
    const reported = downloadsOf(await session.finish()).map(({ url }) => pathOf(url));
    expect(reported).toEqual(['/1', '/2', '/3']);
  });

  it('in the middle of ending a session, its files are written all the same', async () => {
    const session = await daemon.createSession('strict');
    expect(await downloadMany(session, paths, () => {})).toHaveLength(paths.length);
    const ending = session.end().catch(() => undefined);
    const directory = join(daemon.dir, 'spool', session.id);
    const namesIn = (...at: string[]) => readdir(join(directory, ...at)).catch((): string[] => []);
    const written = async () => (await Promise.all((await namesIn()).map((name) => namesIn(name)))).flat();
    await until('some files are there', async () => (await written()).length > 20);
    await daemon.kill('SIGKILL');
    await ending;
    await daemon.start();
    // Ended just before, or to be ended again.
    expect([200, 404]).toContain((await session.end()).status);
    const wanted = paths.flatMap((path) => ['data', 'json'].map((kind) => `${sha256(bodyOf(path))}.${kind}`));
    expect((await namesIn()).sort()).toEqual(['assets', 'session.json']);
    const assets = join(directory, 'assets');
    expect((await written()).sort()).toEqual([...new Set(wanted)].sort());
    for (const path of paths) {
      expect(sha256(await readFile(join(assets, `${sha256(bodyOf(path))}.data`)))).toBe(sha256(bodyOf(path)));
    }
  });

  it('a session with secrets refuses the URLs that need them, and nothing else', async () => {
    const secret = { type: 'macaroon', url: `${upstream.url}/1`, 'macaroon-credentials': 'only-in-memory' };
    const session = await daemon.createSession('strict', { secrets: [secret] });
    expect(await curl(session, `${upstream.url}/1`)).toMatchObject({ status: 200 });
    await daemon.kill('SIGKILL');
    await daemon.start();
    const requests = upstream.requests.length;
    const got = await curl(session, `${upstream.url}/1`);
    expect(got.status).toBe(403);
    expect(got.text).toContain('the session has a secret for this URL, but the service was restarted');
    expect(upstream.requests.length).toBe(requests);
    expect(await curl(session, `${upstream.url}/2`)).toMatchObject({ status: 200 });
    const report = await session.finish();
    expect(downloadsOf(report).map(({ url }) => pathOf(url))).toEqual(['/1', '/2']);
    expect([...report.refusals, ...report.failures].map(({ url }) => pathOf(url))).toEqual(['/1']);
  });

  it('a revoked session stays revoked and an ended one ended; their reports are there', async () => {
    const [revoked, ended] = [await daemon.createSession('strict'), await daemon.createSession('strict')];
    for (const session of [revoked, ended]) await curl(session, `${upstream.url}/3`);
    await revoked.revoke();
    await ended.end();
    await daemon.kill('SIGKILL');
    await daemon.start();
    for (const session of [revoked, ended]) {
      expect(await curl(session, `${upstream.url}/4`)).toMatchObject({ connectStatus: 407 });
    }
    expect(downloadsOf(await revoked.report()).map(({ url }) => pathOf(url))).toEqual(['/3']);
    expect((await daemon.control('GET', `/session/${ended.id}`)).status).toBe(404);
    expect((await daemon.control('DELETE', `/resources/${ended.id}`)).status).toBe(200);
  });

  it('a session that ran out of time while the daemon was down is over', async () => {
    const session = await daemon.createSession('strict', { timeout: 2 });
    await curl(session, `${upstream.url}/5`);
    await daemon.kill('SIGKILL');
    const over = Date.now() + 2_100;
    await until('its time is over', () => Date.now() > over);
    await daemon.start();
    expect(await curl(session, `${upstream.url}/5`)).toMatchObject({ connectStatus: 407 });
    const report = await until('it has expired', () => session.report().catch(() => undefined));
    expect(report.state).toBe('expired');
    expect(downloadsOf(report).map(({ url }) => pathOf(url))).toEqual(['/5']);
  });

  it('a download that was under way is broken off for its client, and no artifact', async () => {
    const session = await daemon.createSession('permissive');
    const download = curl(session, `${upstream.url}/never-ends`, ['--max-time', '60']);
    await until('it is under way', () => upstream.requests.some(({ target }) => target === '/never-ends'));
    await daemon.kill('SIGKILL');
    expect((await download).code).not.toBe(0);
    await daemon.start();
    const report = await session.finish();
    expect(report.artifacts).toEqual([]);
  });
});
