import { readdir, readFile } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { beforeAll, describe, expect, it } from 'vitest';
import type { CraftUser } from '../test/harness/craft.js';
import { type FilesScene, get, openFilesScene } from '../test/harness/craft-files.js';
import { type CraftProject, craftYaml } from '../test/harness/craft-project.js';
import { keepForFile } from '../test/harness/keep.js';
import { sha256 } from '../test/harness/report.js';
import { until } from '../test/harness/until.js';
import { chaosSeed, createChance } from './world/chance.js';
import { tell } from './world/diary.js';
import { roundsOf } from './world/length.js';

/** `craft pack` killed with SIGKILL wherever it is, and run again in the same project. */
const keep = keepForFile();
const seed = chaosSeed();
const kills = roundsOf(15);
const artifact = 'sample_1.0_here.tar.gz';
const report = `${artifact}.json`;
const pack = ['pack', '--enable-fetch-service'];
let scene: FilesScene;
let user: CraftUser;

/** Digest of the artifact that an undisturbed run makes, and how long that takes. */
let whole: { readonly digest: string; ms: number };

/** Several steps with files of some size, so that each of them can be hit. */
function newProject(): Promise<CraftProject> {
  const many = 'for n in $(seq 40); do head -c 40000 /dev/zero > "$CRAFT_PART_INSTALL/$n"; done';
  const parts = {
    first: scene.part(`${get('LISTED')}\n${many}`),
    second: scene.part(`mkdir -p "$CRAFT_PART_INSTALL/sub" && echo two > "$CRAFT_PART_INSTALL/sub/two"`, {
      after: ['first'],
    }),
  };
  return user.project({ 'craft.yaml': craftYaml(parts) });
}

beforeAll(async () => {
  scene = await openFilesScene(keep);
  user = await scene.user();
  // Twice: the first run starts the daemon.
  for (const project of [await newProject(), await newProject()]) {
    const begun = performance.now();
    const ran = await user.craft(project, pack);
    expect(ran, ran.stdout + ran.stderr).toMatchObject({ code: 0 });
    whole = { digest: await project.sha256(artifact), ms: performance.now() - begun };
  }
});

describe(`craft killed anywhere (WAYBILL_CHAOS_SEED=${seed})`, () => {
  it(`${kills} times: nothing half written, and the next run packs`, async () => {
    const chance = createChance(seed, 'craft');
    const ends = { killed: 0, through: 0 };
    // What is through before it is killed counts for nothing: how fast the machine is today decides that.
    for (let round = 1; ends.killed < kills; round++) {
      if (round > 4 * kills) throw new Error(`only ${ends.killed} of ${round} runs could be killed`);
      const project = await newProject();
      const delayMs = chance.between(0, whole.ms);
      const run = user.start(project, pack);
      await sleep(delayMs);
      run.kill('SIGKILL');
      const ended = await run.ended;
      ends[ended.signal === 'SIGKILL' ? 'killed' : 'through']++;
      tell(`round ${round}: ${ended.signal ?? ended.code} after ${Math.round(delayMs)} of ${Math.round(whole.ms)} ms`);
      const what = `round ${round}, killed after ${delayMs} ms`;
      await expectWholeOrNothing(project, what);

      const begun = performance.now();
      const again = await user.craft(project, pack);
      whole.ms = performance.now() - begun;
      expect(again, `${what}: ${again.stdout}${again.stderr}`).toMatchObject({ code: 0 });
      expect(await project.sha256(artifact), what).toBe(whole.digest);
      const told = await project.report(report);
      expect(told.artifacts.map(({ metadata }) => metadata.sha256)).toEqual([sha256('listed\n')]);
      expect(told.build).toMatchObject({ result: 'packed' });
      expect(await strangeNames(project), what).toEqual([]);
      await expectNoProcess(project.dir);
    }
    // One that was made at the very moment of a kill is known to nobody: it ends by its time-out.
    expect((await user.activeSessions()).length).toBeLessThan(kills / 5);
  });
});

/** What has its name already is complete: an artifact may be there without its report, never half of one. */
async function expectWholeOrNothing(project: CraftProject, what: string): Promise<void> {
  const made = await project.made();
  if (made.includes(artifact)) expect(await project.sha256(artifact), what).toBe(whole.digest);
  for (const name of made.filter((one) => one.endsWith('.json'))) await project.report(name);
}

/** Files on their way to something, and locks. */
async function strangeNames(project: CraftProject): Promise<string[]> {
  const names = await readdir(project.dir, { recursive: true });
  const strange = names.filter((name) => /\.part$|\.tmp$|\.new$|~$|lock/.test(name));
  return [...strange, ...(await project.made()).filter((name) => name !== artifact && name !== report)];
}

/** Nothing that the build started runs on. */
async function expectNoProcess(dir: string): Promise<void> {
  await until('every process of the build is gone', async () => {
    for (const pid of (await readdir('/proc')).filter((name) => /^\d+$/.test(name))) {
      const environment = await readFile(`/proc/${pid}/environ`, 'latin1').catch(() => '');
      if (environment.includes(`CRAFT_PROJECT_DIR=${dir}`)) return false;
    }
    return true;
  });
}
