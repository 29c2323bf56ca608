import { chmod, mkdir, readdir, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { binDir, type Daemon, startDaemon } from './harness/daemon.js';
import { keepForFile, keepForTest } from './harness/keep.js';
import { type Ran, run } from './harness/run.js';
import { createTempDir } from './harness/temp-dir.js';

const keep = keepForFile();
const home = { HOME: process.env.HOME, PATH: process.env.PATH };
const craft = join(binDir, 'craft');

/** A folder in front of PATH with a program of the test's. */
async function withProgram(name: string, script: string): Promise<NodeJS.ProcessEnv> {
  const dir = keepForTest(await createTempDir());
  await mkdir(dir.at('bin'));
  await writeFile(dir.at('bin', name), `#!/bin/sh\n${script}\n`);
  await chmod(dir.at('bin', name), 0o755);
  return { ...home, PATH: `${dir.at('bin')}:${process.env.PATH}` };
}

const doctor = (args: readonly string[], env: NodeJS.ProcessEnv = home): Promise<Ran> =>
  run(craft, ['doctor', ...args], { cwd: tmpdir(), env, timeoutMs: 120_000 });
const leftovers = async () => (await readdir(tmpdir())).filter((name) => name.startsWith('craft-doctor-'));
const curl = '/usr/bin/env -S PATH=/usr/local/bin:/usr/bin:/bin curl';
const asUser = (user: string) =>
  `url=$(printf %s "$https_proxy" | sed 's#//[^@]*@#//${user}#')\nexport http_proxy="$url" https_proxy="$url"\nexec ${curl} "$@"`;

describe('craft doctor', () => {
  it('tries clients in a session of its own, whatever the user has set up, and leaves nothing', async () => {
    const before = await leftovers();
    const env = { ...home, https_proxy: 'http://127.0.0.1:9', NO_PROXY: '*', NODE_TLS_REJECT_UNAUTHORIZED: '0' };
    const ran = await doctor(['curl', 'git', 'node', 'npm', 'python', '--format', 'json'], env);
    expect(ran.code, ran.stderr + ran.stdout).toBe(0);
    const { findings, ok } = JSON.parse(ran.stdout);
    expect(ok).toBe(true);
    expect(findings.map(({ client }: { client: string }) => client)).toEqual(
      expect.arrayContaining(['curl', 'git', 'node', 'npm', 'python urllib']),
    );
    for (const finding of findings) {
      expect(finding).toMatchObject({
        version: expect.stringMatching(/^\d+\./),
        proxy: 'used',
        ca: 'accepted',
        auth: 'accepted',
        verdict: 'works',
      });
    }
    expect((await leftovers()).filter((name) => !before.includes(name))).toEqual([]);
  });

  it.each([
    ['goes around the proxy', `exec ${curl} --noproxy '*' --connect-timeout 1 "$@"`, { proxy: 'passed by' }],
    ['trusts other roots only', `exec ${curl} --cacert /etc/hostname "$@"`, { verdict: 'fails' }],
    ['trusts nobody', `exec ${curl} --cacert "$CURL_HOME/../none.pem" "$@"`, { verdict: 'fails' }],
    ['sends other credentials', asUser('a:b@'), { auth: 'rejected', ca: 'not tried' }],
    ['sends none', asUser(''), { auth: 'not sent', ca: 'not tried' }],
  ])('a client that %s fails, and the exit code says so', async (_what, script, seen) => {
    const env = await withProgram('curl', script);
    const ran = await doctor(['curl', '--format', 'json'], env);
    expect(ran.code).toBe(1);
    expect(JSON.parse(ran.stdout)).toMatchObject({
      ok: false,
      findings: [{ client: 'curl', verdict: 'fails', ...seen }],
      errors: [{ code: 'CRAFT_CLIENT_FAILED' }],
    });
  });

  it('tells of clients that are not installed, and fails for none of them', async () => {
    const env = await withProgram('bun', 'exit 127');
    const ran = await doctor(['bun', 'curl'], env);
    expect(ran.code, ran.stderr).toBe(0);
    expect(ran.stdout).toMatch(/^Client +Version +Proxy +CA +Auth +Verdict\ncurl .* works\n\nNot installed: bun\n$/);
  });

  it('wants names that it knows', async () => {
    const ran = await doctor(['telnet']);
    expect(ran.code).toBe(64);
    expect(ran.stderr).toContain('there is no client `telnet` to try [CRAFT_USAGE]');
  });
});

describe('craft doctor in a session of somebody else', () => {
  let daemon: Daemon;
  beforeAll(async () => {
    daemon = keep(await startDaemon());
  });

  it.each(['strict', 'permissive'] as const)('tells what works there (%s), and the report shows it', async (policy) => {
    const session = await daemon.createSession(policy);
    const ran = await doctor([
      'curl',
      'node',
      '--session',
      session.proxyUrl,
      '--ca',
      session.caFile,
      '--format',
      'json',
    ]);
    expect(ran.code, ran.stderr + ran.stdout).toBe(0);
    expect(JSON.parse(ran.stdout).findings).toMatchObject([
      { client: 'curl', proxy: 'used', ca: 'accepted', auth: 'accepted', verdict: 'works' },
      { client: 'node', proxy: 'used', ca: 'accepted', auth: 'accepted', verdict: 'works' },
    ]);
    expect(ran.stdout + ran.stderr).not.toContain(session.token);
    const report = await session.finish();
    expect(JSON.stringify([report.refusals, report.failures])).toContain('doctor.example');
  });

  it('a token that is not the session’s is rejected', async () => {
    const session = await daemon.createSession('strict');
    const url = session.proxyUrl.replace(session.token, 'wrong');
    const ran = await doctor(['curl', '--session', url, '--format', 'json'], {
      ...home,
      CRAFT_PROXY_CERT: session.caFile,
    });
    expect(ran.code).toBe(1);
    expect(JSON.parse(ran.stdout).findings).toMatchObject([{ auth: 'rejected', verdict: 'fails' }]);
  });

  it('another CA is not accepted', async () => {
    const [session, other] = [await daemon.createSession('strict'), keepForTest(await startDaemon())];
    const ran = await doctor([
      'curl',
      'node',
      '--session',
      session.proxyUrl,
      '--ca',
      other.runtime['ca-file'],
      '--format',
      'json',
    ]);
    expect(ran.code).toBe(1);
    expect(JSON.parse(ran.stdout).findings).toMatchObject([
      { proxy: 'used', auth: 'accepted', ca: 'rejected', verdict: 'fails' },
      { proxy: 'used', auth: 'accepted', ca: 'rejected', verdict: 'fails' },
    ]);
  });
});
