import { mkdir } from 'node:fs/promises';
import {
  createThrowawayCa,
  type GitExchange,
  type GitRepository,
  type GitServer,
  startGitServer,
} from '@waybill/testkit';
import { afterEach, beforeAll, describe, expect, it } from 'vitest';
import { type Daemon, startDaemon } from './harness/daemon.js';
import { keepForFile } from './harness/keep.js';
import { chainsOf, downloadsOf, pathOf, sha256, verdictOf } from './harness/report.js';
import { type Ran, run, sessionEnv } from './harness/run.js';
import type { Session } from './harness/session.js';
import { createTempDir, type TempDir } from './harness/temp-dir.js';
import { startTlsFront } from './harness/tls-front.js';

const keep = keepForFile();
let server: GitServer;
let repository: GitRepository;
let daemon: Daemon;
let dir: TempDir;
let origin: string;
let url: string;
const commits: string[] = [];
let onSide = '';
let tamper: ((exchange: GitExchange) => GitExchange['answer']) | undefined;

beforeAll(async () => {
  dir = keep(await createTempDir());
  const ca = await createThrowawayCa();
  const front = keep(await startTlsFront(ca));
  origin = front.url;
  server = keep(await startGitServer({ answer: (exchange) => tamper?.(exchange) ?? exchange.answer }));
  front.forwardTo(server.port);
  repository = await server.createRepository('team/tool.git', {
    config: { 'uploadpack.allowReachableSHA1InWant': 'true' },
  });
  for (const n of [1, 2, 3]) {
    const files = { 'README.md': `version ${n}\n`, [`src/file-${n}.txt`]: `${n}\n`.repeat(500) };
    commits.push(await repository.commit({ files, message: `change ${n}`, tag: `v${n}.0` }));
  }
  onSide = await repository.commit({ files: { 'side.txt': 'side\n' }, branch: 'side' });
  url = `${origin}/team/tool.git`;
  daemon = keep(await startDaemon({ upstreamCa: ca, inspectors: { git: { urls: [`${origin}/team/**`] } } }));
});
afterEach(() => {
  tamper = undefined;
});

let homes = 0;
/** The real git in a session, without any settings of the machine. */
async function git(session: Session, args: readonly string[], cwd = dir.path): Promise<Ran> {
  const home = dir.at(`home-${homes++}`);
  await mkdir(home);
  return run('git', args, { cwd, env: { ...sessionEnv(session), HOME: home, GIT_CONFIG_GLOBAL: '/dev/null' } });
}

async function cloned(session: Session, name: string, ...args: string[]): Promise<string> {
  const target = dir.at(name);
  const ran = await git(session, [...args, url, target]);
  expect(ran, ran.stderr).toMatchObject({ code: 0 });
  return target;
}

const head = async (directory: string) => (await run('git', ['-C', directory, 'rev-parse', 'HEAD'])).stdout.trim();

describe('git in a strict session', () => {
  it.each(['0', '1', '2'])(
    'protocol %s: full clone, everything approved and reported (promises 1, 2)',
    async (version) => {
      const session = await daemon.createSession('strict');
      const before = server.exchanges.length;
      const target = await cloned(session, `full-${version}`, '-c', `protocol.version=${version}`, 'clone', '--quiet');
      expect(await head(target)).toBe(commits[2]);
      const log = await run('git', ['-C', target, 'log', '--format=%H', 'origin/main']);
      expect(log.stdout.trim().split('\n')).toEqual([...commits].reverse());
      expect((await run('git', ['-C', target, 'branch', '-r'])).stdout).toContain('origin/side');

      const report = await session.finish();
      expect([...report.refusals, ...report.failures]).toEqual([]);
      const served = server.exchanges
        .slice(before)
        .map(({ method, url, answer }) => `${method} ${pathOf(url)} ${sha256(answer.body)}`);
      const reported = downloadsOf(report).map(
        ({ method, url, artifact }) => `${method} ${pathOf(url)} ${artifact.metadata.sha256}`,
      );
      expect(reported.sort()).toEqual(served.sort());
      const pack = report.artifacts.find(({ metadata }) => metadata['content-id'] !== undefined);
      expect(pack && chainsOf(pack)).toEqual(
        expect.arrayContaining([
          expect.stringMatching(/^git\.[-a-z]+:[-a-z]+ of tool ← origin:/),
          'digest:object id wanted by the client',
        ]),
      );
      expect(pack).toMatchObject({ result: 'Approved', metadata: { 'content-id': commits[2], version: 'v3.0' } });
    },
  );

  it.each(['0', '2'])('protocol %s: --depth 1', async (version) => {
    const session = await daemon.createSession('strict');
    const target = await cloned(
      session,
      `shallow-${version}`,
      '-c',
      `protocol.version=${version}`,
      'clone',
      '--quiet',
      '--depth=1',
    );
    expect(await head(target)).toBe(commits[2]);
    expect((await run('git', ['-C', target, 'rev-list', '--count', 'HEAD'])).stdout.trim()).toBe('1');
    const report = await session.finish();
    expect([...report.refusals, ...report.failures]).toEqual([]);
    expect(report.artifacts.some(({ metadata }) => metadata['content-id'] === commits[2])).toBe(true);
  });

  it('a fetch of one pinned commit, then more history, then another branch', async () => {
    const session = await daemon.createSession('strict');
    const target = dir.at('pinned');
    await run('git', ['init', '--quiet', target]);
    for (const args of [
      ['fetch', '--quiet', '--depth=1', url, commits[0] as string],
      ['fetch', '--quiet', url, 'main'],
      ['fetch', '--quiet', url, 'side:side'],
    ]) {
      const ran = await git(session, args, target);
      expect(ran, ran.stderr).toMatchObject({ code: 0 });
    }
    expect((await run('git', ['-C', target, 'rev-parse', 'side'])).stdout.trim()).toBe(onSide);
    expect(await run('git', ['-C', target, 'fsck', '--full'])).toMatchObject({ code: 0 });
    const report = await session.finish();
    expect([...report.refusals, ...report.failures]).toEqual([]);
    const wanted = report.artifacts.map(({ metadata }) => metadata['content-id']).filter((id) => id !== undefined);
    expect(wanted).toEqual(expect.arrayContaining([commits[0], commits[2], onSide]));
  });

  it('submodules', async () => {
    const session = await daemon.createSession('strict');
    const whole = await server.createRepository('team/whole.git');
    await whole.commit({
      files: { '.gitmodules': `[submodule "tool"]\n\tpath = tool\n\turl = ${url}\n`, 'README.md': 'x\n' },
    });
    // The commit of the submodule is an entry of the tree that no file stands for.
    const index = ['update-index', '--add', '--cacheinfo', `160000,${commits[1]},tool`];
    const work = dir.at('whole-work');
    await run('git', ['clone', '--quiet', whole.path, work]);
    for (const args of [
      index,
      ['-c', 'user.name=a', '-c', 'user.email=a@mail.example', 'commit', '-qm', 'sub'],
      ['push', '-q', 'origin', 'main'],
    ]) {
      const ran = await run('git', args, { cwd: work });
      expect(ran, ran.stderr).toMatchObject({ code: 0 });
    }
    const target = dir.at('whole');
    const ran = await git(session, ['clone', '--quiet', '--recurse-submodules', `${origin}/team/whole.git`, target]);
    expect(ran, ran.stderr).toMatchObject({ code: 0 });
    expect(await head(`${target}/tool`)).toBe(commits[1]);
    const report = await session.finish();
    expect([...report.refusals, ...report.failures]).toEqual([]);
  });
});

describe('what git must not get', () => {
  it('a pack for another commit: refused, and permissive records the same (promises 1, 4)', async () => {
    // The server answers each request for the newest commit with the pack of the first one.
    const honest = await daemon.createSession('strict');
    const other = await cloned(honest, 'other', 'clone', '--quiet', '--depth=1', '--branch=v1.0');
    expect(await head(other)).toBe(commits[0]);
    const pack = server.exchanges.at(-1) as GitExchange;
    const verdicts = [];
    for (const policy of ['strict', 'permissive'] as const) {
      const session = await daemon.createSession(policy);
      tamper = (exchange) => (exchange.requestBody.includes('command=fetch') ? pack.answer : exchange.answer);
      const ran = await git(session, ['clone', '--quiet', '--depth=1', url, dir.at(`swapped-${policy}`)]);
      tamper = undefined;
      expect(ran.code).not.toBe(0);
      if (policy === 'strict') expect(ran.stderr).toContain('403');
      const report = await session.finish();
      expect(report.refusals).toHaveLength(1);
      verdicts.push(...report.refusals.map(verdictOf));
      expect(report.refusals[0]?.delivered).toBe(policy === 'permissive');
    }
    const [strict, permissive] = verdicts;
    expect(strict?.reason).toContain(`the pack does not hold the wanted object ${commits[2]}`);
    expect(permissive).toEqual(strict);
  });

  it('a damaged pack', async () => {
    tamper = ({ requestBody, answer }) => {
      if (!requestBody.includes('command=fetch')) return answer;
      const body = Buffer.from(answer.body);
      const at = body.length - 60;
      body[at] = (body[at] ?? 0) ^ 1;
      return { ...answer, body };
    };
    const session = await daemon.createSession('strict');
    const ran = await git(session, ['clone', '--quiet', url, dir.at('damaged')]);
    expect(ran.code).not.toBe(0);
    const report = await session.finish();
    expect(report.refusals).toMatchObject([{ inspector: 'git.upload-pack', delivered: false }]);
    expect(report.refusals[0]?.reason).toMatch(/index-pack|pack/);
  });

  it('a repository that is not listed: refused before anything is sent (promise 1)', async () => {
    const session = await daemon.createSession('strict');
    const before = server.exchanges.length;
    const ran = await git(session, ['clone', `${origin}/other/tool.git`, dir.at('unlisted')]);
    expect(ran.code).not.toBe(0);
    expect(ran.stderr).toContain(
      'remote: download authorization denied: request rejected by inspectors: git.smart-query: a git repository that no pattern of git.urls matches',
    );
    expect(server.exchanges.length).toBe(before);
    const report = await session.finish();
    expect(report.refusals).toMatchObject([{ phase: 'request', delivered: false }]);
  });

  it('a push: refused before anything is sent', async () => {
    const session = await daemon.createSession('strict');
    const target = await cloned(session, 'pushing', 'clone', '--quiet');
    const before = server.exchanges.length;
    const ran = await git(session, ['push', url, 'HEAD:refs/heads/new'], target);
    expect(ran.code).not.toBe(0);
    expect(ran.stderr).toContain('a build fetches, it does not push');
    expect(server.exchanges.length).toBe(before);
    const report = await session.finish();
    expect(report.refusals).toMatchObject([
      { phase: 'request', reason: expect.stringContaining('a build fetches, it does not push') },
    ]);
    expect(await repository.git('branch', '--list', 'new')).toBe('');
  });
});
