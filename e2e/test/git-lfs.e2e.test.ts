import { mkdir, readFile, writeFile } from 'node:fs/promises';
import {
  createThrowawayCa,
  type GitAnswer,
  type GitExchange,
  type GitRepository,
  type GitServer,
  startGitServer,
} from '@waybill/testkit';
import { afterEach, beforeAll, describe, expect, it } from 'vitest';
import { type Daemon, startDaemon } from './harness/daemon.js';
import { startForwardProxy } from './harness/forward-proxy.js';
import { keepForFile } from './harness/keep.js';
import { artifactAt, chainsOf, refusedPaths, sha256 } from './harness/report.js';
import { type Ran, run, sessionEnv } from './harness/run.js';
import type { Session } from './harness/session.js';
import { createTempDir, type TempDir } from './harness/temp-dir.js';
import { startTlsFront } from './harness/tls-front.js';

const keep = keepForFile();
const picture = Buffer.from('picture '.repeat(50_000));
const oid = sha256(picture);
let server: GitServer;
let repository: GitRepository;
let daemon: Daemon;
let dir: TempDir;
let origin: string;
let url: string;
let served = picture;

/** The two requests of git-lfs that a clone makes: where the objects are, and an object. */
function serveLfs({ url: asked, requestBody, answer }: GitExchange): GitAnswer {
  const path = new URL(asked).pathname;
  if (path.endsWith('/info/lfs/objects/batch')) {
    const { objects } = JSON.parse(requestBody.toString()) as { objects: { oid: string; size: number }[] };
    const found = objects.map((object) => ({
      ...object,
      authenticated: true,
      actions: { download: { href: `${origin}/store/${object.oid}?signature=abc` } },
    }));
    const body = Buffer.from(JSON.stringify({ transfer: 'basic', objects: found, hash_algo: 'sha256' }));
    return { status: 200, headers: { 'content-type': 'application/vnd.git-lfs+json' }, body };
  }
  if (path.startsWith('/store/')) {
    return { status: 200, headers: { 'content-type': 'application/octet-stream' }, body: served };
  }
  return answer;
}

beforeAll(async () => {
  dir = keep(await createTempDir());
  const ca = await createThrowawayCa();
  const front = keep(await startTlsFront(ca));
  origin = `https://git.registry.example:${front.port}`;
  server = keep(await startGitServer({ answer: serveLfs }));
  front.forwardTo(server.port);
  repository = await server.createRepository('team/art.git');
  await writeFile(dir.at('picture.bin'), picture);
  const pointer = await run('git', ['lfs', 'pointer', `--file=${dir.at('picture.bin')}`], { cwd: dir.path });
  expect(pointer).toMatchObject({ code: 0, stdout: expect.stringContaining(oid) });
  const attributes = '*.bin filter=lfs diff=lfs merge=lfs -text\n';
  await repository.commit({ files: { '.gitattributes': attributes, 'picture.bin': pointer.stdout } });
  url = `${origin}/team/art.git`;
  const git = { urls: [`${origin}/team/**`], lfs: [`${origin}/store/**`] };
  const passage = keep(await startForwardProxy({ isEverythingHere: true }));
  const inspectors = { git, limits: { reuse: 'off' } };
  daemon = keep(await startDaemon({ upstreamCa: ca, inspectors, env: { HTTPS_PROXY: passage.url } }));
});
afterEach(() => {
  served = picture;
});

let homes = 0;
/** The real git with the real git-lfs as its filter, in a session. */
async function git(session: Session, ...args: readonly string[]): Promise<Ran> {
  const home = dir.at(`home-${homes++}`);
  await mkdir(home);
  const process = ['process=git-lfs filter-process', 'smudge=git-lfs smudge -- %f', 'required=true'];
  // It tries a transfer that breaks off eight times and waits longer each time.
  const retries = ['lfs.transfer.maxretries=1', 'lfs.transfer.maxretrydelay=1'];
  const settings = [...process.map((setting) => `filter.lfs.${setting}`), ...retries];
  const filter = settings.flatMap((setting) => ['-c', setting]);
  const env = { ...sessionEnv(session), HOME: home, GIT_CONFIG_GLOBAL: '/dev/null', GIT_TERMINAL_PROMPT: '0' };
  return run('git', [...filter, ...args], { cwd: dir.path, env });
}

describe('git-lfs in a strict session', () => {
  it('a clone with its objects: each approved by the batch answer that names it (promises 1, 2)', async () => {
    const session = await daemon.createSession('strict');
    const ran = await git(session, 'clone', '--quiet', url, dir.at('good'));
    expect(ran, ran.stderr).toMatchObject({ code: 0 });
    expect(sha256(await readFile(dir.at('good/picture.bin')))).toBe(oid);
    const report = await session.finish();
    expect([...report.refusals, ...report.failures]).toEqual([]);
    const object = artifactAt(report, `${oid}?signature=[redacted]`);
    expect(object.metadata).toMatchObject({ sha256: oid, name: 'art', version: oid });
    expect(chainsOf(object).join('\n')).toMatch(/^git\.lfs-batch:art ← origin:/m);
  });

  it('another content of the same size is refused, and git says why', async () => {
    served = Buffer.from(picture);
    served[served.length >> 1] = (served[served.length >> 1] ?? 0) ^ 1;
    const session = await daemon.createSession('strict');
    const ran = await git(session, 'clone', '--quiet', url, dir.at('tampered'));
    expect(ran.code).not.toBe(0);
    const report = await session.finish();
    expect(refusedPaths(report).join()).toContain(oid);
    expect(report.refusals.map(({ reason }) => reason).join()).toMatch(/expected|sha256|digest/);
    const left = await readFile(dir.at('tampered/picture.bin')).catch(() => Buffer.alloc(0));
    expect(sha256(left)).not.toBe(sha256(served));
  });

  it('an upload is refused before anything is sent', async () => {
    const session = await daemon.createSession('strict');
    const before = server.exchanges.length;
    const target = dir.at('good');
    const ran = await git(session, '-C', target, 'lfs', 'push', '--object-id', 'origin', oid);
    expect(ran.code).not.toBe(0);
    expect(ran.stdout + ran.stderr).toMatch(/a build fetches, it does not push/);
    expect(server.exchanges.length).toBe(before);
    expect(refusedPaths(await session.finish()).join()).toContain('/info/lfs/');
  });
});
