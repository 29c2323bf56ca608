import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { keepForTest } from './harness/keep.js';
import { networkEnv, skipUnlessReached, startConfiguredDaemon } from './harness/live.js';
import { createNpmProject } from './harness/npm-project.js';
import { chainsOf, downloadsOf } from './harness/report.js';
import { run } from './harness/run.js';

/** More than 500 packages, as a web application has them. */
const large = {
  jest: '29',
  webpack: '5',
  'webpack-dev-server': '5',
  eslint: '8',
  express: '4',
  mocha: '10',
  stylelint: '15',
};

const web = fileURLToPath(new URL('../../examples/hello-web/web', import.meta.url));

describe('the registry that npm is configured for', () => {
  it('npm ci of the example in strict: the report is the lock file (promises 1, 2)', async (context) => {
    const env = { HOME: process.env.HOME, ...networkEnv() };
    skipUnlessReached(context, await run('npm', ['ping', '--fetch-retries=4', '--fetch-timeout=30000'], { env }));
    const registry = (await run('npm', ['config', 'get', 'registry'], { env })).stdout.trim();
    const daemon = await startConfiguredDaemon('--npm');
    const project = keepForTest(await createNpmProject({ registry, from: web }));
    const session = await daemon.createSession('strict');
    const npm = await project.run(session, 'npm', ['ci', '--ignore-scripts', '--fetch-retries=3']);
    const report = await session.finish();
    expect(npm, npm.stdout + npm.stderr + JSON.stringify(report.refusals, null, 1)).toMatchObject({ code: 0 });
    expect(report.refusals).toEqual([]);

    const tarballs = report.artifacts.filter((artifact) => 'npm.tarball' in artifact['response-inspection']);
    const reported = tarballs.map(({ metadata }) => `sha512-${Buffer.from(metadata.sha512, 'hex').toString('base64')}`);
    const locked = await project.lockedTarballs();
    expect(locked.length).toBeGreaterThan(12);
    expect(reported.sort()).toEqual([...new Set(locked.map(({ integrity }) => integrity))].sort());
    for (const artifact of tarballs) {
      expect(artifact.result).toBe('Approved');
      expect(artifact.metadata.purl).toMatch(/^pkg:npm\//);
      expect(chainsOf(artifact)).toEqual([expect.stringMatching(/^npm\.packument:.* ← origin:/)]);
    }
    // Everything that was downloaded is below the registry, and approved.
    for (const { url, result } of downloadsOf(report)) {
      expect(new URL(url).origin).toBe(new URL(registry).origin);
      expect(result).toBe('Approved');
    }
  });

  it('npm ci of more than 500 packages in strict: report and lock file are one list, both ways (promises 1, 2)', async (context) => {
    const env = { HOME: process.env.HOME, ...networkEnv() };
    skipUnlessReached(context, await run('npm', ['ping', '--fetch-retries=4', '--fetch-timeout=30000'], { env }));
    const registry = (await run('npm', ['config', 'get', 'registry'], { env })).stdout.trim();
    const project = keepForTest(await createNpmProject({ registry, dependencies: large }));
    const lock = ['install', '--package-lock-only', '--ignore-scripts', '--no-audit', '--fetch-retries=3'];
    const locking = await run('npm', lock, { env, cwd: project.dir, timeoutMs: 240_000 });
    expect(locking.code, locking.stderr).toBe(0);
    const daemon = await startConfiguredDaemon('--npm');
    const session = await daemon.createSession('strict');
    const install = ['ci', '--ignore-scripts', '--no-audit', '--fetch-retries=3'];
    const npm = await project.run(session, 'npm', install, { timeoutMs: 240_000 });
    const report = await session.finish();
    expect(npm, npm.stdout + npm.stderr + JSON.stringify(report.refusals, null, 1)).toMatchObject({ code: 0 });
    expect([report.refusals, report.failures]).toEqual([[], []]);

    const tarballs = report.artifacts.filter((artifact) => 'npm.tarball' in artifact['response-inspection']);
    expect(tarballs.every(({ result }) => result === 'Approved')).toBe(true);
    const reported = new Set(
      tarballs.map(({ metadata }) => `sha512-${Buffer.from(metadata.sha512, 'hex').toString('base64')}`),
    );
    const { all, ours } = lockedFor(await project.read('package-lock.json'));
    expect(reported.size).toBeGreaterThan(500);
    expect([...reported].filter((integrity) => !all.has(integrity))).toEqual([]);
    expect([...ours].filter((integrity) => !reported.has(integrity))).toEqual([]);
  });
});

/** What a lock file lists, and what of it npm installs on this machine: packages for other systems are in the file as well. */
function lockedFor(lock: string): { readonly all: ReadonlySet<string>; readonly ours: ReadonlySet<string> } {
  type Entry = { integrity?: string; os?: string[]; cpu?: string[]; libc?: string[] };
  const { packages } = JSON.parse(lock) as { packages: Record<string, Entry> };
  const entries = Object.values(packages).filter(({ integrity }) => integrity !== undefined);
  const fits = (list: string[] | undefined, own: string) =>
    list === undefined || (list.some((name) => !name.startsWith('!')) ? list.includes(own) : !list.includes(`!${own}`));
  const isOurs = ({ os, cpu, libc }: Entry) =>
    fits(os, process.platform) && fits(cpu, process.arch) && fits(libc, 'glibc');
  const integrities = (some: readonly Entry[]) => new Set(some.map(({ integrity }) => integrity as string));
  return { all: integrities(entries), ours: integrities(entries.filter(isOurs)) };
}
