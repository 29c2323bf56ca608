import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { keepForTest } from './harness/keep.js';
import { networkEnv, skipUnlessReached, startConfiguredDaemon } from './harness/live.js';
import { createNpmProject } from './harness/npm-project.js';
import { chainsOf, downloadsOf } from './harness/report.js';
import { run } from './harness/run.js';

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
});
