import { createHash } from 'node:crypto';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { createThrowawayCa, type HttpUpstream, startHttpsUpstream, startHttpUpstream } from '@waybill/testkit';
import { afterEach, beforeAll, describe, expect, it } from 'vitest';
import { type Daemon, startDaemon } from './harness/daemon.js';
import { keepForFile } from './harness/keep.js';
import { peakMemoryMib } from './harness/memory.js';
import { artifactAt } from './harness/report.js';
import { run, sessionEnv } from './harness/run.js';
import type { Session } from './harness/session.js';
import { until } from './harness/until.js';

/** Promise 7: memory does not grow with the size of bodies, nor with how clients read them. */
const keep = keepForFile();
const mib = 2 ** 20;
const gib = 2 ** 30;
/** The peak is of the whole life of the daemon: the one test that may take more comes last. */
let limit = 300;
const block = Buffer.alloc(mib, 'waybill ');

let https: HttpUpstream;
let http: HttpUpstream;
let daemon: Daemon;
let digest: string;
/** Bytes that the upstream of the current test could hand over, and whether it is still asked for more. */
let handed = 0;
let open = 0;

/** `/<n>` is a body of n MiB. */
async function serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
  const blocks = Number(request.url?.slice(1));
  open += 1;
  response.once('close', () => {
    open -= 1;
  });
  response.writeHead(200, { 'content-length': blocks * mib, 'content-type': 'application/octet-stream' });
  for (let sent = 0; sent < blocks && !response.destroyed; sent++) {
    handed += mib;
    if (!response.write(block)) await drained(response);
  }
  response.end();
}

/** Resolves also when the connection is gone. */
function drained(response: ServerResponse): Promise<void> {
  return new Promise((resolve) => {
    const done = () => {
      response.off('drain', done).off('close', done);
      resolve();
    };
    response.on('drain', done).on('close', done);
    if (response.destroyed) done();
  });
}

function digestOf(blocks: number): string {
  const hash = createHash('sha256');
  for (let n = 0; n < blocks; n++) hash.update(block);
  return hash.digest('hex');
}

beforeAll(async () => {
  const ca = await createThrowawayCa();
  https = keep(await startHttpsUpstream(serve, { ca }));
  http = keep(await startHttpUpstream(serve));
  digest = digestOf(gib / mib);
  const pins = [
    [`/${gib / mib}`, digest],
    ['/32', digestOf(32)],
  ];
  const files = pins.flatMap(([path, sha256]) => [https, http].map(({ url }) => ({ url: url + path, sha256 })));
  // What is measured is the way from the upstream, also of a body that was there before.
  const inspectors = { generic: { files }, limits: { reuse: 'off' } };
  daemon = keep(await startDaemon({ upstreamCa: ca, inspectors }));
});
afterEach(async () => {
  await until('the upstream is left alone', () => open === 0);
  handed = 0;
  expect(await peakMemoryMib(daemon.pid), 'peak memory of the daemon in MiB').toBeLessThan(limit);
});

/** curl writes to a pipe that sha256sum reads, so that nobody has to keep the bytes. */
async function downloadDigest(session: Session, url: string, ...args: string[]): Promise<string> {
  const command = ['curl', '--disable', '--silent', '--show-error', '--fail', ...args, url].map((word) => `'${word}'`);
  const ran = await run('bash', ['-o', 'pipefail', '-c', `${command.join(' ')} | sha256sum`], {
    env: sessionEnv(session),
    timeoutMs: 170_000,
  });
  expect(ran, ran.stderr).toMatchObject({ code: 0 });
  return ran.stdout.slice(0, 64);
}

describe('1 GiB with less than 300 MiB of memory', () => {
  it('strict, pinned, over https', async () => {
    const session = await daemon.createSession('strict');
    expect(await downloadDigest(session, `${https.url}/1024`)).toBe(digest);
    const report = await session.finish();
    expect(artifactAt(report, '/1024')).toMatchObject({
      result: 'Approved',
      metadata: { sha256: digest, size: gib },
      downloads: [{ delivery: 'streamed' }],
    });
  });

  it('permissive, over http', async () => {
    const session = await daemon.createSession('permissive');
    expect(await downloadDigest(session, `${http.url}/1024`)).toBe(digest);
    expect(artifactAt(await session.finish(), '/1024').metadata).toMatchObject({ sha256: digest, size: gib });
  });

  it('strict, held whole until the verdict', async () => {
    const files = [{ url: `${http.url}/1024`, sha256: digest }];
    const configuration = { generic: { files }, limits: { hold: 'whole' } };
    const session = await daemon.createSession('strict', { 'inspectors-configuration': configuration });
    expect(await downloadDigest(session, `${http.url}/1024`)).toBe(digest);
    expect(artifactAt(await session.finish(), '/1024').downloads[0]?.delivery).not.toBe('streamed');
  });
});

describe('clients that do not read as fast as the upstream sends', () => {
  it('a slow one slows the upstream down', async () => {
    const session = await daemon.createSession('permissive');
    const curl = run(
      'curl',
      ['--disable', '--silent', '--limit-rate', '4M', '--max-time', '5', '--output', '/dev/null', `${https.url}/1024`],
      {
        env: sessionEnv(session),
      },
    );
    const ran = await curl;
    expect(ran.code).toBe(28);
    // 20 MiB were read; the rest are buffers of kernel, TLS and proxy.
    expect(handed / mib).toBeLessThan(200);
  });

  it.each(['strict', 'permissive'] as const)(
    'one that vanishes: %s: the upstream is let go, and nothing stays',
    async (policy) => {
      const session = await daemon.createSession(policy);
      const ran = await run(
        'curl',
        [
          '--disable',
          '--silent',
          '--limit-rate',
          '8M',
          '--max-time',
          '2',
          '--output',
          '/dev/null',
          `${https.url}/1024`,
        ],
        {
          env: sessionEnv(session),
        },
      );
      expect(ran.code).toBe(28);
      await until('the upstream is let go', () => open === 0);
      expect(handed / mib).toBeLessThan(600);
      const report = await session.finish();
      expect(report.artifacts).toEqual([]);
      expect(report.failures).toMatchObject([{ phase: 'client' }]);
    },
  );

  it('sixteen at a time cost a few MiB each', async () => {
    limit += 16 * 6;
    const session = await daemon.createSession('strict');
    const wanted = digestOf(32);
    const got = await Promise.all(
      Array.from({ length: 16 }, (_, n) => downloadDigest(session, `${n % 2 ? http.url : https.url}/32`)),
    );
    expect(got).toEqual(Array(16).fill(wanted));
    const report = await session.finish();
    expect(report.artifacts.flatMap(({ downloads }) => downloads)).toHaveLength(16);
  });
});
