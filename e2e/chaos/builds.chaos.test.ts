import { join } from 'node:path';
import { createThrowawayCa, startGitServer } from '@waybill/testkit';
import { beforeAll, describe, expect, it } from 'vitest';
import { keepForFile } from '../test/harness/keep.js';
import { createNpmProject } from '../test/harness/npm-project.js';
import { type Ran, run, sessionEnv } from '../test/harness/run.js';
import type { Session } from '../test/harness/session.js';
import { createTempDir, type TempDir } from '../test/harness/temp-dir.js';
import { chaosSeed, createChance } from './world/chance.js';
import { type ChaosDaemon, createChaosDaemon } from './world/daemon.js';
import { createGoods, digest, type Goods } from './world/goods.js';
import { roundsOf } from './world/length.js';
import { writeLockedProject } from './world/npm-lock.js';
import type { KnownSession } from './world/sessions.js';
import { createStorm, type Storm } from './world/storm.js';
import { startChaosUpstream } from './world/upstream.js';

/** npm and git themselves, while the daemon dies again and again: they get through, and the report says with what. */
const keep = keepForFile();
const seed = chaosSeed();
const rounds = roundsOf(2);
/** After so many the daemon stays, and the clients get through whatever the machine's load. */
const mostLives = 12;
/** Only ends what hangs: how long a client takes is the machine's business. */
const patient = { timeoutMs: 1_200_000 } as const;
let dir: TempDir;
let goods: Goods;
let origin: string;
let daemon: ChaosDaemon;
let storm: Storm;
let repository: { readonly url: string; readonly head: string };

beforeAll(async () => {
  dir = keep(await createTempDir());
  const ca = await createThrowawayCa();
  const upstream = keep(await startChaosUpstream(ca, createChance(seed, 'upstream')));
  // Real clients give up where a registry lies; other suites see to that.
  upstream.behave(true);
  origin = upstream.origin;
  const server = keep(await startGitServer({ tls: ca }));
  const made = await server.createRepository('tool.git');
  let head = '';
  for (let n = 0; n < 30; n++) {
    head = await made.commit({
      files: { [`file-${n}`]: `${n} ${digest('sha256', Buffer.from(`${n}`))}\n`.repeat(999) },
    });
  }
  repository = { url: made.url, head };
  const bare = createGoods({ origin, chance: createChance(seed, 'goods'), files: 12, packages: 40 });
  goods = { ...bare, truth: { ...bare.truth, isTrusted: (url) => url.startsWith(`${server.url}/`) } };
  upstream.offer(goods.byPath);
  const inspectors = { ...(goods.inspectors as object), git: { urls: [`${server.url}/**`] } };
  daemon = keep(await createChaosDaemon({ inspectors, upstreamCaPem: ca.certificatePem }));
  const isForeign = (agent: string) => /^(npm|git)\//.test(agent);
  const endings = { running: 90, starting: 10, paused: 0, aimed: 0, gently: 0, struck: 0, thinned: 0 };
  const calm = { origin, behave: () => {} };
  storm = createStorm({ daemon, goods, upstream: calm, seed, clients: 2, longestLifeMs: 900, isForeign, endings });
});

/** What programs need of a session. */
function asSession({ id, token }: KnownSession): Pick<Session, 'proxyUrl' | 'caFile'> {
  return {
    proxyUrl: `http://${id}:${token}@127.0.0.1:${daemon.ports.proxy}`,
    caFile: join(daemon.spool, '.waybill', 'ca', 'root-ca.pem'),
  };
}

const patience = ['--fetch-retries=2000', '--fetch-retry-factor=1', '--fetch-retry-mintimeout=100'];

async function npmCi(session: KnownSession, round: number): Promise<Ran> {
  const from = await createTempDir();
  await writeLockedProject(from.path, goods, origin);
  const project = keep(await createNpmProject({ registry: `${origin}/npm/`, from: from.path }));
  const args = ['ci', '--no-audit', '--ignore-scripts', '--maxsockets=3', ...patience, '--fetch-retry-maxtimeout=300'];
  const ran = await project.run(asSession(session) as Session, 'npm', args, patient);
  for (const { path, kind } of goods.all.filter((good) => good.kind === 'tarball')) {
    const name = path.split('/')[2] ?? '';
    if (ran.code === 0)
      expect(await project.read(`node_modules/${name}/index.js`), `${kind} ${round}`).toMatch(/^\/\/ /);
  }
  await from.close();
  return ran;
}

/** git does not try again by itself. */
async function gitClone(session: KnownSession, round: number, isOver: () => boolean): Promise<number> {
  const env = { ...sessionEnv(asSession(session)), HOME: dir.path, GIT_CONFIG_GLOBAL: '/dev/null' };
  for (let tries = 1; ; tries++) {
    const target = dir.at(`clone-${round}-${tries}`);
    const isUndisturbed = isOver();
    const ran = await run('git', ['clone', '--quiet', repository.url, target], { env, ...patient });
    if (ran.code !== 0) {
      if (isUndisturbed) throw new Error(`git did not get through in ${tries} tries:\n${ran.stderr}`);
      continue;
    }
    const checked = await run('git', ['-C', target, 'fsck', '--full', '--strict'], { env });
    expect(checked, checked.stderr).toMatchObject({ code: 0 });
    const head = await run('git', ['-C', target, 'rev-parse', 'HEAD'], { env });
    expect(head.stdout.trim()).toBe(repository.head);
    return tries;
  }
}

describe(`npm ci and git clone go through (WAYBILL_CHAOS_SEED=${seed})`, () => {
  it(`${rounds} times: with the bytes that are in the report`, async () => {
    await storm.rise();
    for (let round = 1; round <= rounds; round++) {
      await storm.begin();
      const session = await storm.invite('strict');
      let isOver = false;
      const clients = Promise.all([npmCi(session, round), gitClone(session, round, () => isOver)]);
      let isThrough = false;
      const watched = clients.finally(() => {
        isThrough = true;
      });
      watched.catch(() => {});
      for (let life = 0; life < mostLives && !isThrough; life++) await storm.live();
      if (!isThrough) await storm.rise();
      isOver = true;
      const [npm] = await watched;
      expect(npm, npm.stdout + npm.stderr).toMatchObject({ code: 0 });
      await storm.check({ isLast: round === rounds });
      expectReported(session);
    }
  });
});

/** Every package of the lock file with its digest, and a pack. */
function expectReported(session: KnownSession): void {
  const artifacts = session.readings.findLast(({ kind }) => kind === 'report')?.report.artifacts ?? [];
  const reported = new Map(
    artifacts.flatMap(({ result, metadata, downloads }) =>
      downloads.map(({ url }) => [url, result === 'Approved' ? metadata.sha256 : result] as const),
    ),
  );
  for (const { path, body } of goods.all.filter(({ kind }) => kind === 'tarball')) {
    expect(reported.get(origin + path), path).toBe(digest('sha256', body));
  }
  expect([...reported.keys()].filter((url) => url.endsWith('/git-upload-pack')).length).toBeGreaterThan(0);
}
