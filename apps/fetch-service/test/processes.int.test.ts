import { createHash } from 'node:crypto';
import { readdir, readFile, rename, stat, writeFile } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { createRootCa } from '@waybill/ca';
import { runProgram, startHttpsUpstream } from '@waybill/testkit';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { createWorkplace, fetchctlFile, loopbackAcl, type RunningDaemon, type Workplace } from './daemon.js';

let workplace: Workplace;
let upstream: Awaited<ReturnType<typeof startHttpsUpstream>>;

const body = Buffer.alloc(20_000, 'waybill');
const sha256 = createHash('sha256').update(body).digest('hex');

beforeEach(async () => {
  upstream = await startHttpsUpstream((_request, response) => void response.end(body));
  workplace = await createWorkplace({
    'acl.yaml': loopbackAcl,
    'inspectors.yaml': `generic: {files: [{url: "${upstream.url}/**", sha256: ${sha256}}]}\n`,
  });
  await writeFile(workplace.path('upstream.pem'), upstream.ca.certificatePem);
});
afterEach(async () => {
  await workplace.remove();
  await upstream.close();
});

const start = (...args: string[]) =>
  workplace.start({
    args: [
      '--processes=2',
      `--upstream-ca=${workplace.path('upstream.pem')}`,
      `--log-file=${workplace.path('log')}`,
      '--verbosity=debug',
      ...args,
    ],
  });

const ctl = (...args: string[]) =>
  runProgram(process.execPath, [fetchctlFile, `--socket=${workplace.path('fetchctl.socket')}`, ...args]);

interface LogLine {
  readonly pid: number;
  readonly msg: string;
  readonly processes?: number[];
}

/** Every line of the log must be whole. */
async function log(name = 'log'): Promise<LogLine[]> {
  const text = await readFile(workplace.path(name), 'utf8');
  return text
    .split('\n')
    .filter(Boolean)
    .map((line) => JSON.parse(line) as LogLine);
}

async function processesOf(): Promise<number[]> {
  return (await log()).findLast(({ msg }) => msg === 'started')?.processes ?? [];
}

function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}

async function until(what: string, isTrue: () => boolean | Promise<boolean>): Promise<void> {
  for (let waited = 0; !(await isTrue()); waited += 50) {
    if (waited > 20_000) throw new Error(`timed out: ${what}`);
    await sleep(50);
  }
}

const numbered = (count: number, name = 'file') =>
  Array.from({ length: count }, (_, n) => `${upstream.url}/${name}-${n}`);

/** Each URL on a connection of its own, so that processes take turns. */
const fetchEach = (session: Awaited<ReturnType<RunningDaemon['create']>>, urls: readonly string[]) =>
  Promise.all(urls.map((url) => session.curl(url, '--output', '/dev/null')));

describe('several processes', () => {
  it('serve the same sessions, and one report says what all of them did', async () => {
    const daemon = await start();
    expect(daemon.output().stdout).toMatch(/processes +2\n/);
    const sessions = await Promise.all([1, 2, 3].map(() => daemon.create()));
    for (const session of sessions) {
      const got = await fetchEach(session, numbered(6));
      expect(got.map(({ status }) => status)).toEqual(Array(6).fill(200));
      expect((await session.revoke()).status).toBe(200);
      const report = await session.report();
      expect(report.artifacts.map(({ metadata }) => metadata.sha256)).toEqual([sha256]);
      const urls = report.artifacts[0]?.downloads.map(({ url }) => url).sort();
      expect(urls).toEqual(numbered(6).sort());
      expect((await session.curl(`${upstream.url}/x`)).code).not.toBe(0);
      expect((await daemon.call('DELETE', `/session/${session.id}`)).status).toBe(200);
      expect((await daemon.call('GET', `/session/${session.id}`)).status).toBe(404);
      expect((await daemon.call('DELETE', `/resources/${session.id}`)).status).toBe(200);
    }
    expect(await readdir(workplace.path('spool'))).toEqual(['.waybill']);
    const status = (await (await daemon.call('GET', '/status')).json()) as Record<string, unknown>;
    expect(status).toMatchObject({ 'session-count': 3, 'active-sessions': [] });
    const pids = (await processesOf()).sort();
    await until('both have served', async () => {
      const served = (await log()).filter(({ msg }) => msg === 'exchange').map(({ pid }) => pid);
      return JSON.stringify([...new Set(served)].sort()) === JSON.stringify(pids);
    });
  });

  it('are counted together', async () => {
    const daemon = await start();
    const session = await daemon.create();
    await fetchEach(session, numbered(5));
    for (let n = 0; n < 3; n++) {
      const text = await (await daemon.call('GET', '/metrics')).text();
      expect(text).toContain('waybill_records_total{kind="download",result="Approved"} 5\n');
      expect(text).toContain('waybill_sessions_created_total{policy="strict"} 1\n');
      expect(text).toContain('waybill_sessions_live 1\n');
    }
  });

  it('a revocation stops the downloads of all, before it is answered', async () => {
    upstream.handle((_request, response) => {
      response.writeHead(200, { 'content-length': body.length });
      response.write(body.subarray(0, 1000));
    });
    const daemon = await start('--permissive-mode');
    const session = await daemon.create({ policy: 'permissive' });
    const downloads = fetchEach(session, numbered(4));
    await until('all are under way', () => upstream.requests.length === 4);
    expect((await session.revoke()).status).toBe(200);
    const report = await session.report();
    expect(report.artifacts).toEqual([]);
    expect(report.failures.map(({ url }) => url).sort()).toEqual(numbered(4).sort());
    expect((await downloads).every(({ code }) => code !== 0)).toBe(true);
  });

  it('events tell what all of them do, and the end', async () => {
    const daemon = await start();
    const session = await daemon.create();
    const answer = await daemon.call('GET', `/session/${session.id}/events`);
    const reader = answer.body?.pipeThrough(new TextDecoderStream()).getReader();
    let text = '';
    const read = (async () => {
      for (;;) {
        const { done, value } = (await reader?.read()) ?? { done: true };
        if (done) return;
        text += value;
      }
    })();
    await until('it follows', () => text.includes('following'));
    await fetchEach(session, numbered(6));
    await session.curl(`${upstream.url.replace('https:', 'http:')}/refused`);
    await session.revoke();
    await read;
    const urls = [...text.matchAll(/^event: download\ndata: (.*)$/gm)]
      .map(([, data]) => JSON.parse(data ?? '').url)
      .sort();
    expect(urls).toEqual(numbered(6).sort());
    expect(text.match(/^event: refusal$/gm)).toHaveLength(1);
    expect(text.endsWith('event: end\ndata: {}\n\n')).toBe(true);
  });

  it('secrets of a session are known to all, and are nowhere on the disk', async () => {
    const daemon = await start();
    const session = await daemon.create({
      secrets: [{ type: 'macaroon', url: `${upstream.url}/**`, 'macaroon-credentials': 'very-secret-macaroon' }],
    });
    await fetchEach(session, numbered(4));
    expect(upstream.requests.map((request) => request.header('authorization'))).toEqual(
      Array(4).fill('macaroon very-secret-macaroon'),
    );
    await session.revoke();
    const grep = await runProgram('grep', ['-rlaF', 'very-secret-macaroon', workplace.root]);
    expect(grep.stdout).toBe('');
    expect(JSON.stringify(await session.report())).not.toContain('very-secret');
  });
});

describe('a process that dies', () => {
  it('is replaced; sessions, their secrets and records go on', async () => {
    const daemon = await start();
    const session = await daemon.create({
      secrets: [{ type: 'macaroon', url: `${upstream.url}/**`, 'macaroon-credentials': 'm' }],
    });
    await fetchEach(session, numbered(4, 'before'));
    const [first, second] = await processesOf();
    for (const [n, pid] of [first, second].entries()) {
      process.kill(pid ?? 0, 'SIGKILL');
      const isReplaced = async () =>
        (await log()).filter(({ msg }) => msg === 'a process serves in its place').length > n;
      await until('it is replaced', isReplaced);
    }
    const got = await fetchEach(session, numbered(6, 'after'));
    expect(got.map(({ status }) => status)).toEqual(Array(6).fill(200));
    expect(upstream.requests.every((request) => request.header('authorization') === 'macaroon m')).toBe(true);
    await session.revoke();
    const urls = (await session.report()).artifacts.flatMap(({ downloads }) => downloads.map(({ url }) => url));
    expect(urls.sort()).toEqual([...numbered(4, 'before'), ...numbered(6, 'after')].sort());
  });

  it('the primary takes the others with it', async () => {
    const daemon = await start();
    const pids = await processesOf();
    expect(pids.every(isRunning)).toBe(true);
    daemon.kill('SIGKILL');
    await daemon.ended;
    await until('they are gone', () => !pids.some(isRunning));
    const again = await start();
    expect((await again.call('GET', '/readyz')).status).toBe(200);
  });
});

describe('signals', () => {
  it('SIGTERM stops all with 143', async () => {
    const daemon = await start();
    const pids = await processesOf();
    const session = await daemon.create();
    daemon.kill('SIGTERM');
    expect(await daemon.ended).toBe(143);
    expect(pids.some(isRunning)).toBe(false);
    await expect(stat(workplace.path('runtime.json'))).rejects.toThrow();
    await expect(stat(workplace.path('fetchctl.socket'))).rejects.toThrow();
    const again = await start();
    expect(again.output().stdout).toContain('1 taken over');
    expect((await again.call('GET', `/session/${session.id}`)).status).toBe(400);
  });

  it('SIGUSR1: all write to the new log', async () => {
    const daemon = await start();
    const session = await daemon.create();
    await rename(workplace.path('log'), workplace.path('log.1'));
    daemon.kill('SIGUSR1');
    await until(
      'it is there',
      async () => (await log().catch(() => [])).filter(({ msg }) => msg === 'log files opened anew').length === 3,
    );
    await fetchEach(session, numbered(4));
    const noted = async (name: string) => (await log(name)).filter(({ msg }) => msg === 'exchange');
    await until('all is noted', async () => (await noted('log')).length === 4);
    const exchanges = await noted('log');
    expect(new Set(exchanges.map(({ pid }) => pid)).size).toBe(2);
    expect(await noted('log.1')).toEqual([]);
  });
});

describe('fetchctl', () => {
  it('changes the access list and the root certificate of all', async () => {
    const daemon = await start();
    const session = await daemon.create();
    await writeFile(workplace.path('deny.yaml'), 'http-proxy: {policy: deny}\n');
    expect((await ctl('update-config', '--type=acl', workplace.path('deny.yaml'))).stdout).toBe(
      'configuration updated\n',
    );
    expect((await fetchEach(session, numbered(4))).map(({ status }) => status)).toEqual(Array(4).fill(403));
    await writeFile(workplace.path('allow.yaml'), loopbackAcl);
    expect((await ctl('update-config', '--type=acl', workplace.path('allow.yaml'))).code).toBe(0);
    expect((await fetchEach(session, numbered(4))).map(({ status }) => status)).toEqual(Array(4).fill(200));

    const root = await createRootCa({ commonName: 'another root' });
    await writeFile(workplace.path('pair.pem'), `${root.certificatePem}\n${root.keyPem}`, { mode: 0o600 });
    expect((await ctl('update-cert', workplace.path('pair.pem'))).stdout).toBe('proxy certificate updated\n');
    await writeFile(workplace.path('root.pem'), root.certificatePem);
    const withRoot = numbered(4, 'new').map((url) =>
      session.curl(url, '--cacert', workplace.path('root.pem'), '--output', '/dev/null'),
    );
    expect((await Promise.all(withRoot)).map(({ status }) => status)).toEqual(Array(4).fill(200));
  });

  it('lists artifacts, and fails as it does with one process', async () => {
    const daemon = await start();
    const session = await daemon.create();
    await fetchEach(session, numbered(3));
    const listed = JSON.parse((await ctl('list-artifacts', `--session-id=${session.id}`)).stdout);
    expect(listed).toMatchObject([{ metadata: { sha256 } }]);
    expect((await ctl('list-artifacts', '--session-id=nobody')).stderr).toBe('error: session does not exist\n');
    expect((await ctl('version')).code).toBe(0);
  });

  it('restart: all processes are replaced, and no request fails', async () => {
    const daemon = await start();
    const session = await daemon.create();
    const before = await processesOf();
    // Connections of their own, and kept ones.
    let isRunningLoad = true;
    const load = async (name: string, args: readonly string[]) => {
      const failed: string[] = [];
      let done = 0;
      for (let round = 0; isRunningLoad; round++) {
        const urls = numbered(20, `${name}-${round}`);
        const outputs = urls.flatMap((url) => ['--output', '/dev/null', url]);
        const { code, stderr, stdout } = await session.curl(
          outputs[2] as string,
          ...args,
          ...outputs.slice(3),
          '-w',
          '%{http_code} %{errormsg}\n',
          '--output',
          '/dev/null',
        );
        const lines = stdout.trim().split('\n');
        done += lines.length;
        if (code !== 0 || lines.some((line) => !line.startsWith('200')))
          failed.push(`${code} ${stderr} ${lines.filter((line) => !line.startsWith('200'))}`);
      }
      return { failed, done };
    };
    const loads = [
      load('kept', []),
      load('parallel', ['--parallel', '--parallel-max', '4']),
      load('fresh', ['-H', 'Connection: close']),
    ];
    for (let n = 0; n < 2; n++) {
      expect((await ctl('restart')).stdout).toBe('2 processes replaced\n');
      await sleep(300);
    }
    isRunningLoad = false;
    const results = await Promise.all(loads);
    expect(results.flatMap(({ failed }) => failed)).toEqual([]);
    const now = (await log()).filter(({ msg }) => msg === 'exchange').map(({ pid }) => pid);
    expect(before).not.toContain(now.at(-1));
    await session.revoke();
    const downloads = (await session.report()).artifacts.flatMap((artifact) => artifact.downloads);
    expect(downloads.length).toBe(results.reduce((sum, { done }) => sum + done, 0));
    await until('the old ones are gone', () => !before.some(isRunning));
  });
});

describe('the spool', () => {
  it('takes no second daemon, however many processes it has, also after all were replaced', async () => {
    await start();
    const before = await processesOf();
    expect((await ctl('restart')).stdout).toBe('2 processes replaced\n');
    await until('the first ones are gone', () => !before.some(isRunning));
    for (const more of ['--processes=1', '--processes=2']) {
      const other = [`--socket=${workplace.path('other.socket')}`, `--runtime-file=${workplace.path('other.json')}`];
      const second = await workplace.run(['--control-port=0', '--proxy-port=0', ...other, more]);
      expect(second.code).toBe(1);
      expect(second.stderr).toMatch(/^error: the spool .* is in use by another fetch-service\n/);
    }
  });
});

describe('time', () => {
  it('an idle daemon stops, one that is used or has sessions does not', async () => {
    const daemon = await start('--idle-shutdown=2');
    const session = await daemon.create();
    await sleep(3_000);
    expect(daemon.child.exitCode).toBeNull();
    await session.revoke();
    expect((await daemon.call('DELETE', `/session/${session.id}`)).status).toBe(200);
    for (let n = 0; n < 4; n++) {
      await sleep(700);
      expect((await daemon.call('GET', '/status')).status).toBe(200);
    }
    expect(await daemon.ended).toBe(0);
  });

  it('a session expires once for all', async () => {
    const daemon = await start();
    const session = await daemon.create({ timeout: 1 });
    expect((await fetchEach(session, numbered(2))).map(({ status }) => status)).toEqual([200, 200]);
    await until('it is over', async () => (await session.report().catch(() => undefined))?.state === 'expired');
    expect((await fetchEach(session, numbered(3))).every(({ code }) => code !== 0)).toBe(true);
    expect((await log()).filter(({ msg }) => msg === 'discarding session')).toHaveLength(1);
    await until('its files are there', async () => (await readdir(workplace.path('spool'))).includes(session.id));
  });
});

describe('what keeps several processes from starting', () => {
  it('is said once, in the words of one', async () => {
    const other = await createWorkplace();
    const daemon = await other.start();
    const port = new URL(daemon.runtime['proxy-url']).port;
    const { code, stderr } = await workplace.run([
      '--processes=2',
      `--proxy-port=${port}`,
      '--proxy-host=127.0.0.1',
      '--control-port=0',
      '--control-host=127.0.0.1',
    ]);
    await other.remove();
    expect(code).toBe(1);
    expect(stderr).toMatch(/^error: port \d+ of the proxy: address already in use\nstop what listens there/);
    expect(stderr.match(/error:/g)).toHaveLength(1);
  });

  it('a spool in use, by one process or by several', async () => {
    await start();
    for (const processes of [1, 2]) {
      const { code, stderr } = await workplace.run([`--processes=${processes}`, '--control-port=0', '--proxy-port=0']);
      expect(code).toBe(1);
      expect(stderr).toMatch(/is in use by another fetch-service/);
    }
  });
});

it('--profile-dir: a profile of each process', async () => {
  const daemon = await start(`--profile-dir=${workplace.path('profiles')}`);
  const pids = await processesOf();
  daemon.kill('SIGTERM');
  await daemon.ended;
  const files = (await readdir(workplace.path('profiles'))).sort();
  expect(files).toEqual(pids.map((pid) => `fetch-service-${pid}.cpuprofile`).sort());
  const profile = JSON.parse(await readFile(workplace.path(`profiles/${files[0]}`), 'utf8'));
  expect(profile).toHaveProperty('samples');
});
