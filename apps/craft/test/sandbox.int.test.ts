import { spawn } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createBubblewrapEnvironment } from '../src/environments/bubblewrap.js';
import { bubblewrapProblem } from '../src/environments/detect.js';
import type { BuildEnvironment, CommandNetwork } from '../src/environments/environment.js';
import { createHostEnvironment } from '../src/environments/host.js';

const isRoot = process.geteuid?.() === 0;
let work: string;
let state: string;
let environment: BuildEnvironment;
const servers: Server[] = [];

const listen = async (path: string) => {
  const server = createServer((socket) => socket.end('out'));
  servers.push(server);
  await new Promise<void>((resolve) => server.listen(path, resolve));
};

beforeAll(async () => {
  work = mkdtempSync(join(tmpdir(), 'waybill-sandbox-'));
  // Where other sandboxes do not see it: a socket that appears in front of their eyes ends their steps.
  state = mkdtempSync(join(tmpdir(), 'waybill-sandbox-state-'));
  environment = await createBubblewrapEnvironment({
    sessionProxyUrl: 'http://session:token@127.0.0.1:9',
    writable: [work],
    readable: [state],
  });
});
afterAll(async () => {
  for (const server of servers) server.close();
  await environment.close();
  for (const directory of [work, state]) rmSync(directory, { recursive: true, force: true });
});

async function run(
  argv: [string, ...string[]],
  env: Record<string, string> = {},
  network: CommandNetwork = 'session',
  where = environment,
) {
  const out: Buffer[] = [];
  const result = await where.run({
    argv,
    cwd: work,
    env: { PATH: '/usr/local/bin:/usr/bin:/bin', ...env },
    onStdout: (chunk) => out.push(chunk),
    onStderr: (chunk) => out.push(chunk),
    signal: new AbortController().signal,
    network,
  });
  return { ...result, text: Buffer.concat(out).toString() };
}
const sh = (script: string, env: Record<string, string> = {}, network: CommandNetwork = 'session') =>
  run(['sh', '-c', script], env, network);

describe('what a build says about its environment decides nothing outside', () => {
  it.each(['session', 'none'] as const)('a bwrap in its PATH is not started (%s)', async (network) => {
    mkdirSync(join(work, 'bin'), { recursive: true });
    const mark = join(state, 'escaped');
    writeFileSync(join(work, 'bin/bwrap'), `#!/bin/sh\ntouch ${mark}\n`, { mode: 0o755 });
    expect(await run(['true'], { PATH: `${work}/bin:/usr/bin:/bin` }, network)).toMatchObject({ exitCode: 0 });
    expect(existsSync(mark)).toBe(false);
  });

  it('variables of the dynamic linker do not reach bubblewrap', async () => {
    const { text } = await sh('echo inside', { LD_DEBUG: 'files' }, 'none');
    expect(text).toContain('inside');
    expect(text).toMatch(/needed by .*sh\b/);
    expect(text).not.toContain('bwrap');
  });

  it('variables that are bubblewrap options stay variables', async () => {
    const { text } = await sh('echo "$BAD"; echo "$MULTI"', { BAD: '--bind', MULTI: 'a\nb --share-net' });
    expect(text).toBe('--bind\na\nb --share-net\n');
  });

  it('a NUL in a variable is refused, not cut into options', async () => {
    await expect(run(['true'], { BAD: 'x\0--share-net' })).rejects.toMatchObject({
      code: 'CRAFT_ENVIRONMENT_UNAVAILABLE',
    });
  });

  it('options for Node are for its own Node, not for the forwarder', async () => {
    const { text, exitCode } = await sh('echo "$NODE_OPTIONS"', { NODE_OPTIONS: '--no-such-option=1' });
    expect({ text, exitCode }).toEqual({ text: '--no-such-option=1\n', exitCode: 0 });
  });

  it('takes nothing of our environment along', async () => {
    process.env.WAYBILL_SANDBOX_TEST = 'leaked';
    const { text } = await sh('env');
    delete process.env.WAYBILL_SANDBOX_TEST;
    expect(text).not.toContain('leaked');
    expect(text.split('\n').map((line) => line.split('=')[0])).toEqual(
      expect.not.arrayContaining(['HOME', 'USER', 'SSH_AUTH_SOCK']),
    );
  });
});

describe('sockets in the file system', () => {
  const connect = (path: string) =>
    run([
      process.execPath,
      '-e',
      `require('net').connect(process.argv[1]).on('connect',()=>console.log('CONNECTED')).on('error',e=>console.log(e.code))`,
      path,
    ]);

  it('of daemons in directories that are shown cannot be reached', async () => {
    await listen(join(state, 'daemon.socket'));
    expect((await connect(join(state, 'daemon.socket'))).text).toBe('ECONNREFUSED\n');
  });

  it('that lie in the work directory cannot be reached either', async () => {
    await listen(join(work, 'agent socket'));
    expect((await connect(join(work, 'agent socket'))).text).toBe('ECONNREFUSED\n');
  });

  it.each([
    ['shown', () => state],
    ['writable', () => work],
  ])('of a daemon that begins while a step runs end it (%s directory)', async (_name, directory) => {
    const path = join(directory(), 'late.socket');
    const script = `const net=require('net');console.log('waiting');setInterval(()=>net.connect(process.argv[1]).on('error',()=>{}),20)`;
    const out: Buffer[] = [];
    const running = environment.run({
      argv: [process.execPath, '-e', script, path],
      cwd: work,
      env: { PATH: '/usr/bin:/bin' },
      onStdout: (chunk) => {
        if (out.push(chunk) === 1) void listen(path);
      },
      onStderr: () => {},
      signal: AbortSignal.timeout(20_000),
      network: 'session',
    });
    await expect(running).rejects.toMatchObject({
      code: 'CRAFT_SANDBOX_OPENED',
      message: expect.stringContaining(path),
      hint: expect.stringContaining('run again'),
    });
    expect((await connect(path)).text).toBe('ECONNREFUSED\n');
  });

  it('of a daemon that begins as a step ends are found all the same', async () => {
    const path = join(state, 'last.socket');
    const mark = join(work, 'mark');
    const server = `const s=require('net').createServer();s.listen(process.argv[1],()=>require('fs').writeFileSync(process.argv[2],''));setTimeout(()=>process.exit(),10000)`;
    const daemon = spawn(process.execPath, ['-e', server, path, mark], { stdio: 'ignore' });
    try {
      await expect(sh(`while [ ! -e ${mark} ]; do :; done`)).rejects.toMatchObject({ code: 'CRAFT_SANDBOX_OPENED' });
    } finally {
      daemon.kill();
    }
  });

  it('that appear where the sandbox shows nothing disturb nobody', async () => {
    const running = sh('sleep 1.5; echo done');
    await listen(join(mkdtempSync(join(tmpdir(), 'waybill-elsewhere-')), 'a.socket'));
    expect((await running).text).toBe('done\n');
  });

  it('that the build makes itself work', async () => {
    const script = `const net=require('net');const s=net.createServer(c=>c.end('mine')).listen('own.socket',()=>net.connect('own.socket').on('data',d=>{console.log(String(d));process.exit()}))`;
    expect((await run([process.execPath, '-e', script])).text).toBe('mine\n');
  });
});

describe('who the build is', () => {
  it('is an ordinary user with a name', async () => {
    const { text } = await run([
      process.execPath,
      '-p',
      'const u=require("os").userInfo(); [u.uid===process.getuid(), u.username.length>0, u.uid].join(" ")',
    ]);
    expect(text).toBe(`true true ${isRoot ? 1000 : process.getuid?.()}\n`);
  });

  it('unpacks archives whose files belong to others', async () => {
    const { text, exitCode } = await sh(
      'mkdir -p t && echo x > t/f && tar --owner=12345 --group=12345 -cf t.tar t && rm -r t && tar -xf t.tar && cat t/f',
    );
    expect({ text, exitCode }).toEqual({ text: 'x\n', exitCode: 0 });
  });

  it('has no capabilities and gets none', async () => {
    const { text } = await sh('grep Cap /proc/self/status; grep NoNewPrivs /proc/self/status');
    expect(text).toMatch(/CapEff:\t0{16}\n/);
    expect(text).toMatch(/CapBnd:\t0{16}\n/);
    expect(text).toMatch(/NoNewPrivs:\t1\n/);
  });
});

describe('how a command ends', () => {
  it.each([
    ['exit 3', 3],
    ['kill -TERM $$', 143],
    ['exec no-such-program', 127],
  ])('%s gives %i', async (script, exitCode) => {
    expect(await sh(script)).toMatchObject({ exitCode, signal: null });
  });

  it('of a program that is not there is said', async () => {
    const { exitCode, text } = await run(['no-such-program']);
    expect(exitCode).toBe(127);
    expect(text).toContain('cannot run no-such-program');
  });

  it('reads its standard input to the end', async () => {
    const chunks: Buffer[] = [];
    await environment.run({
      argv: ['wc', '-c'],
      cwd: work,
      env: { PATH: '/usr/bin:/bin' },
      stdin: 'x'.repeat(300_000),
      onStdout: (chunk) => chunks.push(chunk),
      onStderr: (chunk) => chunks.push(chunk),
      signal: new AbortController().signal,
      network: 'session',
    });
    expect(Buffer.concat(chunks).toString().trim()).toBe('300000');
  });

  it('takes a large environment', async () => {
    const env = Object.fromEntries(Array.from({ length: 20 }, (_, i) => [`BIG_${i}`, 'x'.repeat(60_000)]));
    expect((await sh('printf %s "$BIG_19" | wc -c', env)).text.trim()).toBe('60000');
  });

  it.each(['bubblewrap', 'host'] as const)('is at once when the environment is closed (%s)', async (kind) => {
    const closing = await (kind === 'host'
      ? createHostEnvironment()
      : createBubblewrapEnvironment({ writable: [work] }));
    const running = run(['sleep', '60'], {}, 'none', closing);
    setTimeout(() => closing.close(), 300);
    expect(await running).toMatchObject({ signal: 'SIGKILL' });
    await expect(run(['true'], {}, 'none', closing)).rejects.toThrow();
  });

  it('is not held up by a daemon that it left behind on the host', async () => {
    const host = await createHostEnvironment();
    const started = Date.now();
    const { text } = await run(['sh', '-c', 'setsid sleep 20 & echo started'], {}, 'none', host);
    expect(text).toBe('started\n');
    expect(Date.now() - started).toBeLessThan(10_000);
    await host.close();
  });
});

describe('detection', () => {
  it('says when the program is not there', async () => {
    expect(await bubblewrapProblem(state)).toBe('bwrap is not installed (package bubblewrap)');
  });

  it('says when it does not work', async () => {
    writeFileSync(
      join(state, 'bwrap'),
      '#!/bin/sh\necho "bwrap: No permissions to create new namespace" >&2\nexit 1\n',
      { mode: 0o755 },
    );
    expect(await bubblewrapProblem(state)).toBe(
      'bwrap does not work here: bwrap: No permissions to create new namespace',
    );
  });
});
