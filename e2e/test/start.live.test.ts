import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { fileURLToPath } from 'node:url';
import { type CraftReport, craftReportSchema } from '@waybill/contracts';
import { beforeAll, describe, expect, it } from 'vitest';
import { keepForTest } from './harness/keep.js';
import { lockedTarballs } from './harness/npm-project.js';
import { linkProgramsWithout } from './harness/programs.js';
import { type Ran, run } from './harness/run.js';
import { createTempDir } from './harness/temp-dir.js';

const root = fileURLToPath(new URL('../..', import.meta.url));
/** The machine's own settings are what `npm start` works with: its registries, its proxy, its home. */
const env = process.env;

interface Started extends Ran {
  readonly artifact: string;
  readonly report: CraftReport;
}

async function start(more: NodeJS.ProcessEnv = {}): Promise<Started> {
  const script = join(root, 'tooling/start.mjs');
  const ran = await run(process.execPath, [script], { cwd: root, env: { ...env, ...more }, timeoutMs: 280_000 });
  expect(ran, ran.stdout + ran.stderr).toMatchObject({ code: 0 });
  const [artifact, reportFile] = ['artifact', 'report'].map((name) => printed(ran.stdout, name));
  const report = craftReportSchema.parse(JSON.parse(await readFile(reportFile ?? '', 'utf8')));
  return { ...ran, artifact: artifact ?? '', report };
}

/** What stands behind a word at the beginning of a line. */
function printed(text: string, name: string): string {
  const found = new RegExp(`^${name} +(.*)$`, 'm').exec(text)?.[1];
  if (found === undefined) throw new Error(`no line '${name}' in:\n${text}`);
  return found;
}

async function digest(file: string): Promise<string> {
  const hash = createHash('sha256');
  await pipeline(createReadStream(file), hash);
  return hash.digest('hex');
}

/** Why the registries that npm and apt are configured for cannot be reached; undefined when they can. */
async function unreachable(): Promise<string | undefined> {
  const npm = await run('npm', ['ping', '--fetch-retries=1', '--fetch-timeout=20000'], { env, timeoutMs: 60_000 });
  if (npm.code !== 0) return `npm's registry cannot be reached: ${npm.stderr.trim().slice(-300)}`;
  const format = '$(REPO_URI)dists/$(RELEASE)/InRelease';
  const apt = await run('apt-get', ['indextargets', '--format', format, 'Created-By: Packages'], { env }).catch(
    () => undefined,
  );
  for (const url of new Set(apt?.stdout.split('\n').filter((line) => /^https?:/.test(line)))) {
    const answer = await run('curl', ['--disable', '-fsSL', '--max-time', '30', '-o', '/dev/null', url], { env });
    if (answer.code !== 0) return `apt's repository cannot be reached: ${answer.stderr.trim()}`;
  }
  return undefined;
}

const hasApt = (await run('sh', ['-c', 'command -v apt-get'], { env })).code === 0;
const problem = await unreachable();
if (problem) console.warn(`npm start is not tested: ${problem}`);

describe.skipIf(problem !== undefined)('npm start, with the registries of this machine', () => {
  let first: Started;
  beforeAll(async () => {
    first = await start();
  });

  it('says where artifact and report are, and how everything was verified', async () => {
    const { stdout, artifact, report } = first;
    expect(report['component-id']?.hashes.sha256).toBe(await digest(artifact));
    expect(printed(stdout, 'approved')).toMatch(
      new RegExp(`^${report.artifacts.length} of ${report.artifacts.length} artifacts, [\\d.]+ MB, 0 refusals$`),
    );
    expect(printed(stdout, 'session')).toContain(`${report['session-id']} (strict, build in `);
    const chains = [...stdout.matchAll(/^ +(\d+) {2}(\S.*) ← (origin|key|pinned digest)/gm)];
    expect(chains.reduce((sum, [, count]) => sum + Number(count), 0)).toBe(report.artifacts.length);
  });

  it('approves every artifact in a strict session', () => {
    const { report } = first;
    expect(report).toMatchObject({ policy: 'strict', refusals: [], failures: [], build: { result: 'packed' } });
    expect(report.artifacts.filter(({ result }) => result !== 'Approved')).toEqual([]);
  });

  it('lists the packages of the lock file by their integrity, all of them and no other', async () => {
    const lock = await readFile(join(root, 'examples/hello-web/web/package-lock.json'), 'utf8');
    const wanted = lockedTarballs(lock).map(({ integrity }) => integrity);
    const tarballs = first.report.artifacts.filter((artifact) => 'npm.tarball' in artifact['response-inspection']);
    const found = tarballs.map(({ metadata }) => `sha512-${Buffer.from(metadata.sha512, 'hex').toString('base64')}`);
    expect(found.sort()).toEqual(wanted.sort());
    expect(wanted.length).toBeGreaterThan(50);
  });

  it('has the Debian package and the theme from git', () => {
    const types = first.report.artifacts.flatMap((artifact) => Object.keys(artifact['response-inspection']));
    expect(types).toContain('git.smart-query');
    expect(types).toContain('git.upload-pack');
    if (hasApt) expect(types).toContain('deb');
  });

  it('packs the same bytes again', async () => {
    const before = await digest(first.artifact);
    const second = await start();
    expect(second.report['session-id']).not.toBe(first.report['session-id']);
    expect(await digest(second.artifact)).toBe(before);
  });

  it('falls back to the host without bubblewrap, says so, and packs the same bytes', async () => {
    const before = await digest(first.artifact);
    const dir = keepForTest(await createTempDir());
    await linkProgramsWithout('bwrap', dir.at('bin'));
    const third = await start({ PATH: dir.at('bin') });
    expect(third.stderr).toContain('warning: the build runs on the host, because bwrap is not installed');
    expect(printed(third.stdout, 'session')).toContain('(strict, build in host)');
    expect(third.report['build-environment']).toEqual({ kind: 'host', 'bypass-controlled': false });
    expect(third.report.artifacts.map(({ result }) => result)).not.toContain('Rejected');
    expect(await digest(third.artifact)).toBe(before);
  });
});
