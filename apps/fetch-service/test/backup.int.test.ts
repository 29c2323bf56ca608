import { createHash, randomBytes } from 'node:crypto';
import { mkdir, readdir, readFile, rename, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { mustRun, runProgram, startHttpsUpstream } from '@waybill/testkit';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { createWorkplace, fetchctlFile, loopbackAcl, type RunningDaemon, sessionOf, type Workplace } from './daemon.js';

let workplace: Workplace;
let upstream: Awaited<ReturnType<typeof startHttpsUpstream>>;

/** Every path has a body of its own; those below `/large/` get a file of their own in the spool. */
const bodyOf = (path: string) => Buffer.alloc(path.startsWith('/large/') ? 400_000 : 900, `${path} `);
const sha256Of = (path: string) => createHash('sha256').update(bodyOf(path)).digest('hex');

beforeEach(async () => {
  upstream = await startHttpsUpstream(({ url = '' }, response) => void response.end(bodyOf(url)));
  workplace = await createWorkplace({ 'acl.yaml': loopbackAcl, 'inspectors.yaml': '' });
  await writeFile(workplace.path('upstream.pem'), upstream.ca.certificatePem);
});
afterEach(async () => {
  await workplace.remove();
  await upstream.close();
});

const start = (environment: Record<string, string> = {}) =>
  workplace.start({ args: [`--upstream-ca=${workplace.path('upstream.pem')}`, '--permissive-mode'], environment });

type Session = Awaited<ReturnType<RunningDaemon['create']>>;

async function downloadAll(session: Session, paths: readonly string[]): Promise<void> {
  for (const path of paths) expect((await session.curl(upstream.url + path)).status).toBe(200);
}

/** As another process of the same session would see it. */
const again = ({ id, token }: Session, daemon: RunningDaemon) =>
  sessionOf({ id, token }, { runtime: daemon.runtime, caFile: daemon.runtime['ca-file'], call: daemon.call });

const textOf = async (daemon: RunningDaemon, id: string) => (await daemon.call('GET', `/session/${id}`)).text();

const pathsIn = (report: string) =>
  (JSON.parse(report).artifacts as { downloads: { url: string }[] }[])
    .flatMap(({ downloads }) => downloads.map(({ url }) => new URL(url).pathname))
    .sort();

/** That the spool has every body: ending the session writes them out. */
async function expectBodies(daemon: RunningDaemon, id: string, paths: readonly string[]): Promise<void> {
  expect((await daemon.call('DELETE', `/session/${id}`)).status).toBe(200);
  for (const path of paths) {
    const file = workplace.path(join('spool', id, 'assets', `${sha256Of(path)}.data`));
    expect((await readFile(file)).equals(bodyOf(path)), path).toBe(true);
  }
}

describe('fetchctl backup', () => {
  it('copies a spool that is in use, from which the daemon goes on', { timeout: 120_000 }, async () => {
    const first = await start();
    const [kept, live, gone, over] = await Promise.all(
      Array.from({ length: 4 }, () => first.create({ policy: 'permissive' })),
    );
    if (!kept || !live || !gone || !over) throw new Error('four sessions were created');
    const paths = ['/a', '/b', '/large/c', '/a'];
    for (const session of [kept, gone, over]) await downloadAll(session, paths);
    await downloadAll(live, ['/before/1', '/large/before/2']);
    await kept.revoke();
    const report = await textOf(first, kept.id);
    expect((await first.call('DELETE', `/session/${over.id}`)).status).toBe(200);

    let isOver = false;
    const downloading = (async () => {
      for (let count = 0; !isOver; count++) await downloadAll(live, [`/during/${count}`, `/large/during/${count}`]);
    })();
    const backup = workplace.path('backups/first');
    const copying = runProgram(process.execPath, [fetchctlFile, 'backup', '--spool', workplace.path('spool'), backup]);
    await first.call('DELETE', `/session/${gone.id}`);
    await first.call('DELETE', `/resources/${gone.id}`);
    const copied = await copying;
    expect(copied).toMatchObject({ code: 0, stderr: '' });
    expect(copied.stdout).toMatch(/^copied [34] sessions with \d+ bodies/);
    isOver = true;
    await downloading;
    first.kill('SIGKILL');
    await first.ended;

    await rename(workplace.path('spool'), workplace.path('lost'));
    await rename(backup, workplace.path('spool'));
    for (const name of ['.waybill', '.waybill/ca', '.waybill/sessions.db']) {
      expect((await stat(workplace.path(`spool/${name}`))).mode & 0o077, name).toBe(0);
    }
    const second = await start();
    expect(await textOf(second, kept.id)).toBe(report);
    await expectBodies(second, kept.id, paths);
    expect(await readdir(workplace.path(`spool/${over.id}/assets`))).toHaveLength(6);
    const resumed = again(live, second);
    await downloadAll(resumed, ['/after']);
    await resumed.revoke();
    const found = pathsIn(await textOf(second, live.id));
    for (const path of ['/before/1', '/large/before/2', '/after']) expect(found).toContain(path);
    await expectBodies(second, live.id, found);
  });

  it('refuses a directory that holds something, and says what is not there', async () => {
    await mkdir(workplace.path('full'));
    await writeFile(workplace.path('full/file'), 'mine');
    const backUp = (spool: string, target: string) =>
      runProgram(process.execPath, [
        fetchctlFile,
        'backup',
        `--spool=${workplace.path(spool)}`,
        workplace.path(target),
      ]);
    const full = await backUp('spool', 'full');
    expect(full.code).toBe(1);
    expect(full.stderr).toMatch(/error: .*full is not empty\n/);
    const absent = await backUp('nowhere', 'new');
    expect(absent.code).toBe(1);
    expect(absent.stderr).toMatch(/error: there is no session database .*nowhere/);
    expect(await readFile(workplace.path('full/file'), 'utf8')).toBe('mine');
  });
});

describe('pg_dump', () => {
  const server = () => {
    const url = process.env.WAYBILL_TEST_POSTGRES_URL;
    if (!url) throw new Error('WAYBILL_TEST_POSTGRES_URL is not set: eval "$(tooling/ci/postgres.sh start)" sets it');
    return url;
  };
  const psql = (url: string, ...args: string[]) => mustRun('psql', ['-X', '-q', '-v', 'ON_ERROR_STOP=1', ...args, url]);

  it('and fetchctl backup are restored into another database and a new spool', { timeout: 120_000 }, async () => {
    const names = ['from', 'to'].map((name) => `waybill_${name}_${randomBytes(6).toString('hex')}`);
    const [from = '', to = ''] = names.map((name) => Object.assign(new URL(server()), { pathname: `/${name}` }).href);
    for (const name of names) await psql(server(), '-c', `create database ${name}`);
    try {
      const first = await start({ DATABASE_URL: from });
      const kept = await first.create({ policy: 'permissive' });
      const live = await first.create({ policy: 'permissive' });
      const paths = ['/a', '/large/b', '/a'];
      await downloadAll(kept, paths);
      await downloadAll(live, ['/before']);
      await kept.revoke();
      const report = await textOf(first, kept.id);
      let isOver = false;
      const downloading = (async () => {
        for (let count = 0; !isOver; count++) await downloadAll(live, [`/during/${count}`]);
      })();
      await mustRun('pg_dump', ['--format=custom', '--no-owner', `--file=${workplace.path('dump')}`, from]);
      const backup = workplace.path('bodies');
      const copied = await runProgram(
        process.execPath,
        [fetchctlFile, 'backup', '--spool', workplace.path('spool'), backup],
        { env: { ...process.env, DATABASE_URL: from } },
      );
      expect(copied).toMatchObject({ code: 0, stderr: '', stdout: expect.stringMatching(/^copied 2 sessions /) });
      isOver = true;
      await downloading;
      first.kill('SIGKILL');
      await first.ended;

      await mustRun('pg_restore', ['--no-owner', '--exit-on-error', `--dbname=${to}`, workplace.path('dump')]);
      await rename(workplace.path('spool'), workplace.path('lost'));
      await rename(backup, workplace.path('spool'));
      const second = await start({ DATABASE_URL: to });
      expect(await textOf(second, kept.id)).toBe(report);
      await expectBodies(second, kept.id, paths);
      const resumed = again(live, second);
      await downloadAll(resumed, ['/after']);
      await resumed.revoke();
      expect(pathsIn(await textOf(second, live.id))).toEqual(expect.arrayContaining(['/after', '/before']));
      second.kill('SIGKILL');
      await second.ended;
    } finally {
      for (const name of names) await psql(server(), '-c', `drop database ${name} with (force)`);
    }
  });
});
