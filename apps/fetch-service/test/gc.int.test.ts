import { randomBytes } from 'node:crypto';
import { existsSync } from 'node:fs';
import { readdir } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { runProgram, startHttpUpstream } from '@waybill/testkit';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { createWorkplace, fetchctlFile, loopbackAcl, type RunningDaemon, type Workplace } from './daemon.js';

let workplace: Workplace;
let upstream: Awaited<ReturnType<typeof startHttpUpstream>>;

beforeEach(async () => {
  upstream = await startHttpUpstream((request, response) => {
    response.end(randomBytes(Number(request.url?.split('/').at(-1))));
  });
  workplace = await createWorkplace({ 'acl.yaml': loopbackAcl, 'inspectors.yaml': '' });
});
afterEach(async () => {
  await workplace.remove();
  await upstream.close();
});

const fetchctl = (...args: string[]) =>
  runProgram(process.execPath, [fetchctlFile, `--socket=${workplace.path('fetchctl.socket')}`, ...args]);

/** A session that downloaded something, ended. */
async function past(daemon: RunningDaemon, ...sizes: number[]): Promise<string> {
  const session = await daemon.create({ policy: 'permissive' });
  for (const size of sizes) expect((await session.curl(`${upstream.url}/${size}`)).status).toBe(200);
  await session.revoke();
  expect((await daemon.call('DELETE', `/session/${session.id}`)).status).toBe(200);
  return session.id;
}

it('sessions go by age, with their bodies; a dry run only tells', async () => {
  const daemon = await workplace.start({ args: ['--permissive-mode', '--keep-sessions=1s'] });
  const old = await past(daemon, 1000, 400_000);
  const open = await daemon.create({ policy: 'permissive' });
  expect((await open.curl(`${upstream.url}/5000`)).status).toBe(200);
  await sleep(1_200);
  const dry = await fetchctl('gc', '--dry-run');
  expect(dry.stdout).toMatch(/^sessions: 1 would be removed\nbodies: 0 would be removed/);
  expect(existsSync(workplace.path(`spool/${old}`))).toBe(true);
  const done = await fetchctl('gc');
  expect(done.stdout).toMatch(/^sessions: 1 removed\n.*\nleft: 4\.9 KiB of bodies\n$/);
  expect(existsSync(workplace.path(`spool/${old}`))).toBe(false);
  expect((await daemon.call('GET', `/session/${old}`)).status).toBe(404);
  await open.revoke();
  expect((await open.report()).artifacts).toHaveLength(1);
});

it('report files can stay, without bodies', async () => {
  const daemon = await workplace.start({ args: ['--permissive-mode', '--keep-sessions=0s', '--keep-reports'] });
  const old = await past(daemon, 1000);
  expect((await fetchctl('gc')).stdout).toMatch(/^sessions: 1 removed/);
  const files = await readdir(workplace.path(`spool/${old}`), { recursive: true });
  expect(files.filter((name) => name.endsWith('.json'))).toHaveLength(2);
  expect(files.filter((name) => name.endsWith('.data'))).toEqual([]);
});

it('a quota refuses what does not fit beside what is needed, with a clear error and a record', async () => {
  const daemon = await workplace.start({ args: ['--permissive-mode', '--spool-quota=1M'] });
  const first = await past(daemon, 500_000, 400_000);
  const session = await daemon.create({ policy: 'permissive' });
  const refused = await session.curl(`${upstream.url}/200000`);
  expect(refused.status).toBe(503);
  expect(refused.stdout).toMatch(/FETCH_QUOTA_FULL\): bodies take \d+\.\d KiB of the quota of 1\.0 MiB.*--spool-quota/);
  // What a kept report needs is not given up for anything.
  expect((await fetchctl('gc')).stdout).toMatch(/^sessions: 0 removed\nbodies: 0 removed/);
  expect((await daemon.call('DELETE', `/resources/${first}`)).status).toBe(200);
  await sleep(5_100);
  // What nobody needs any more stays for whoever asks again, until the room is wanted.
  expect((await fetchctl('gc', '--dry-run')).stdout).toMatch(/bodies: 0 would be removed/);
  expect((await session.curl(`${upstream.url}/200000`)).status).toBe(200);
  const metrics = await (await daemon.call('GET', '/metrics')).text();
  expect(metrics).toContain('waybill_spool_quota_bytes 1048576');
  expect(metrics).toMatch(/^waybill_gc_removed_total\{what="bodies"\} 1$/m);
  await session.revoke();
  const report = await session.report();
  expect(report.failures).toMatchObject([{ phase: 'storage', 'status-code': 503 }]);
  expect(report.artifacts).toHaveLength(1);
});

it('several processes collect without harm to each other', async () => {
  const args = ['--permissive-mode', '--keep-sessions=0s', '--processes=2'];
  const daemon = await workplace.start({ args });
  const sessions = await Promise.all(Array.from({ length: 4 }, () => past(daemon, 2000, 300_000)));
  const results = await Promise.all([fetchctl('gc'), fetchctl('gc'), fetchctl('gc')]);
  const removed = results.map(({ stdout }) => Number(/^sessions: (\d+) removed/.exec(stdout)?.[1]));
  expect(removed.reduce((sum, count) => sum + count)).toBeGreaterThanOrEqual(4);
  for (const id of sessions) expect(existsSync(workplace.path(`spool/${id}`))).toBe(false);
  const session = await daemon.create({ policy: 'permissive' });
  expect((await session.curl(`${upstream.url}/5000`)).status).toBe(200);
});
