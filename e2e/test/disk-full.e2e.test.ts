import { mkdir, readdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { startHttpUpstream } from '@waybill/testkit';
import { describe, expect, it, type TestContext } from 'vitest';
import { curl } from './harness/curl.js';
import { startDaemon } from './harness/daemon.js';
import { keepForTest } from './harness/keep.js';
import { run } from './harness/run.js';
import { createTempDir } from './harness/temp-dir.js';
import { createWorkplace } from './harness/workplace.js';

/** A file system of its own; where it cannot be mounted the test is skipped, which .ci/run counts as a failure. */
async function smallDisk(context: TestContext, size: string): Promise<string> {
  const dir = await createTempDir();
  const path = dir.at('disk');
  await mkdir(path);
  const mounted = await run('mount', ['-t', 'tmpfs', '-o', `size=${size},mode=0700`, 'tmpfs', path]);
  keepForTest({
    async close() {
      if (mounted.code === 0) await run('umount', ['--lazy', path]);
      await dir.close();
    },
  });
  if (mounted.code !== 0) context.skip(`no tmpfs can be mounted here: ${mounted.stderr.trim()}`);
  return path;
}

describe('a full disk (promise 5)', () => {
  it('before the start: a clear error', async (context) => {
    const disk = await smallDisk(context, '1m');
    await writeFile(join(disk, 'filler'), Buffer.alloc(2 ** 20)).catch(() => undefined);
    const place = keepForTest(await createWorkplace());
    const ran = await place.serve([`--spool=${disk}/spool`]);
    expect(ran, ran.stderr).toMatchObject({ code: 1, stdout: '' });
    expect(ran.stderr).toMatch(/^error: the spool .* is full \(ENOSPC\)\nfree space/);
    expect(await place.leftovers()).toEqual([]);
    expect(await readdir(disk)).not.toContain('probe');
  });

  it('during a download: refused with the reason, no artifact; with space again it goes on', async (context) => {
    const disk = await smallDisk(context, '24m');
    const upstream = keepForTest(
      await startHttpUpstream((request, response) => {
        response.end(Buffer.alloc(Number(request.url?.slice(1)), 'x'));
      }),
    );
    const daemon = keepForTest(await startDaemon({ args: [`--spool=${disk}`] }));
    const configuration = { limits: { hold: 'whole' } };
    const session = await daemon.createSession('permissive', { 'inspectors-configuration': configuration });
    expect(await curl(session, `${upstream.url}/1000`)).toMatchObject({ code: 0, status: 200 });

    const refused = await curl(session, `${upstream.url}/40000000`);
    if (refused.status === 503) expect(refused.text).toMatch(/^Cannot handle file downloads: .*(full|space)/);
    else expect([18, 56]).toContain(refused.code);
    expect((await daemon.control('GET', '/readyz')).status).toBe(200);
    expect(await curl(session, `${upstream.url}/2000`)).toMatchObject({ code: 0, status: 200 });

    // Now not even a record fits.
    await writeFile(join(disk, 'filler'), Buffer.alloc(24 * 2 ** 20)).catch(() => undefined);
    const full = await curl(session, `${upstream.url}/300000`);
    expect(full.code !== 0 || full.status === 503).toBe(true);
    await rm(join(disk, 'filler'));
    expect(await curl(session, `${upstream.url}/3000`)).toMatchObject({ code: 0, status: 200 });

    const report = await session.finish();
    expect(report.artifacts.map(({ metadata }) => metadata.size).sort((a, b) => a - b)).toEqual([1000, 2000, 3000]);
    expect(report.failures).toContainEqual(
      expect.objectContaining({ phase: 'storage', url: `${upstream.url}/40000000`, delivered: false }),
    );
  });
});
