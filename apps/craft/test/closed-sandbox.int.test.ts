import { type ChildProcess, spawn } from 'node:child_process';
import { createSocket, type Socket as DatagramSocket } from 'node:dgram';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import { type AddressInfo, createServer as createSocketServer, type Server as SocketServer } from 'node:net';
import { homedir, networkInterfaces, tmpdir } from 'node:os';
import { join } from 'node:path';
import { type EscapeAttempt, escapeProbe, parseEscapes } from '@waybill/testkit';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createBubblewrapEnvironment } from '../src/environments/bubblewrap.js';
import type { BuildEnvironment } from '../src/environments/environment.js';
import { createHostEnvironment } from '../src/environments/host.js';

const isRoot = process.geteuid?.() === 0;
const secret = `secret-of-the-host-${process.pid}`;
const shmKey = 0x5742_0000 + (process.pid & 0xffff);

/** What lies outside and must stay out of reach, and the same machine's addresses. */
interface Outside {
  readonly tcpPort: number;
  readonly udpPort: number;
  readonly victim: number;
  /** Sockets in places where daemons have them. */
  readonly sockets: readonly string[];
  readonly abstract: string;
  readonly homeFile: string;
  readonly stateFile: string;
  readonly lan: readonly string[];
}

let work: string;
let state: string;
let outside: Outside;
const undo: (() => unknown)[] = [];

beforeAll(async () => {
  work = mkdtempSync(join(tmpdir(), 'waybill-closed-'));
  // Shown to this sandbox only: a socket that appears in front of others ends their steps.
  state = mkdtempSync(join(tmpdir(), 'waybill-closed-state-'));
  undo.push(
    () => rmSync(work, { recursive: true, force: true }),
    () => rmSync(state, { recursive: true, force: true }),
  );
  writeFileSync(join(work, 'probe.pl'), escapeProbe);
  outside = await startOutside();
});
afterAll(async () => {
  for (const step of undo.reverse()) await step();
});

async function startOutside(): Promise<Outside> {
  const lan = Object.values(networkInterfaces())
    .flatMap((entries) => entries ?? [])
    .filter(({ internal, address }) => !internal && !address.startsWith('fe80'))
    .map(({ address }) => address);
  const web = createServer((_request, response) => response.end('reached'));
  await listen(web, { host: '::', port: 0 });
  const udp = await startUdp();
  const sockets = [
    join(work, 'in work.socket'),
    join(state, 'daemon.socket'),
    join(mkdtempSync(join(tmpdir(), 'ssh-waybill')), 'agent.1'),
    ...(isRoot ? ['/run/waybill-docker.sock'] : []),
    join(socketDirectory('.X11-unix'), `X${process.pid}`),
  ];
  for (const path of sockets) await listenUnix(path);
  const abstract = `waybill-dbus-${process.pid}`;
  await listenUnix(`\0${abstract}`);
  const homeFile = join(homedir(), `.waybill-closed-${process.pid}`);
  const stateFile = join(state, 'file');
  writeFileSync(homeFile, secret);
  writeFileSync(stateFile, 'before');
  undo.push(() => rmSync(homeFile, { force: true }));
  const victim = await startVictim();
  return {
    tcpPort: (web.address() as AddressInfo).port,
    udpPort: (udp.address() as AddressInfo).port,
    victim: victim.pid as number,
    ...{ sockets, abstract, homeFile, stateFile, lan },
  };
}

async function listen(server: Server | SocketServer, where: object): Promise<void> {
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(where, () => resolve());
  });
  undo.push(() => server.close());
}

async function listenUnix(path: string): Promise<void> {
  await listen(
    createSocketServer((socket) => socket.end('reached').on('error', () => {})),
    { path },
  );
}

/** Answers like a resolver: to everything. */
async function startUdp(): Promise<DatagramSocket> {
  const socket = createSocket('udp6');
  socket.on('message', (message, { port, address }) => socket.send(message, port, address));
  await new Promise<void>((resolve) => socket.bind(0, '::', resolve));
  undo.push(() => socket.close());
  return socket;
}

function socketDirectory(name: string): string {
  const path = join(tmpdir(), name);
  mkdirSync(path, { recursive: true });
  return path;
}

/** A process with a secret in its environment, its command line and its shared memory. */
async function startVictim(): Promise<ChildProcess> {
  const script = `my $id = shmget(${shmKey}, 64, 01600) // die $!; shmwrite($id, 'secret', 0, 6) or die $!; $| = 1; print "ready\\n"; $SIG{TERM} = sub { shmctl($id, 0, 0); exit }; sleep 1 while 1;`;
  const child = spawn('perl', ['-e', script, secret], {
    env: { VICTIM: secret },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  await new Promise((resolve) => child.stdout?.once('data', resolve));
  undo.push(async () => {
    const gone = new Promise((resolve) => child.once('close', resolve));
    child.kill('SIGTERM');
    await gone;
  });
  return child;
}

async function probe(environment: BuildEnvironment, ways: readonly string[]): Promise<EscapeAttempt[]> {
  const out: Buffer[] = [];
  // Not in a variable: the probe looks for secrets in everybody's.
  writeFileSync(join(work, 'ways'), ways.join('\n'));
  const { exitCode } = await environment.run({
    argv: ['perl', join(work, 'probe.pl'), join(work, 'ways')],
    cwd: work,
    env: { PATH: '/usr/bin:/bin' },
    onStdout: (chunk) => out.push(chunk),
    onStderr: (chunk) => out.push(chunk),
    signal: AbortSignal.timeout(60_000),
    network: 'session',
  });
  const text = Buffer.concat(out).toString();
  const found = parseEscapes(text);
  expect({ exitCode, tried: found.length }, text).toEqual({ exitCode: 0, tried: ways.length });
  return found;
}

/** Ways that lead out of the host environment for certain, which is what proves that the probe can find them. */
function certainWays({ tcpPort, udpPort, victim, sockets, abstract, homeFile, stateFile, lan }: Outside): string[] {
  return [
    ...['127.0.0.1', '::1', ...lan].map((address) => `tcp\t${address}\t${tcpPort}`),
    ...['127.0.0.1', '::1', ...lan].map((address) => `udp\t${address}\t${udpPort}`),
    ...sockets.map((path) => `unix\t${path}`),
    `abstract\t${abstract}`,
    `proc\t${secret}`,
    `below\t${victim}${'\t'}${homeFile}`,
    `signal\t${victim}`,
    `pidfd\t${victim}`,
    `shm\t${shmKey}`,
    `file\t${homeFile}`,
    `append\t${stateFile}\tfrom a probe`,
    `write\t${join(state, 'new')}`,
  ];
}

/** Ways that need rights or a kernel that not every machine gives: tried in both, and shut inside whatever they are outside. */
function possibleWays({ victim }: Outside): string[] {
  const raw = 3;
  return [
    'inherited',
    'interfaces',
    'name\texample.com',
    'name\tlocalhost.localdomain',
    `family\t2\t${raw}\t1`,
    `family\t2\t${raw}\t255`,
    `family\t10\t${raw}\t58`,
    `family\t17\t${raw}\t768`,
    'family\t40\t1\t0',
    'family\t38\t5\t0',
    'family\t31\t3\t0',
    'family\t29\t3\t1',
    'family\t42\t2\t0',
    `memory\t${victim}`,
    `ptrace\t${victim}`,
    'addkey\twaybill',
    'key\twaybill',
    'uring',
    'bpf',
    'perf',
    'uffd',
    'handle',
    'unshare\t268435456',
    'unshare\t1342177280',
    'unshare\t131072',
  ];
}

/** What root's sandbox would own: settings of the kernel, one of which names a program that runs outside. */
const kernelFiles = [
  ...['core_pattern', 'modprobe', 'hostname', 'randomize_va_space', 'panic'].map((name) => `/proc/sys/kernel/${name}`),
  ...['/proc/sys/vm/drop_caches', '/proc/sys/net/ipv4/ip_forward', '/proc/sys/fs/binfmt_misc/register'],
  ...['/proc/sysrq-trigger', '/proc/irq/default_smp_affinity', '/proc/1/oom_score_adj', '/proc/self/mem'],
  ...['/sys/fs/cgroup/cgroup.procs', '/sys/kernel/uevent_helper', '/sys/power/state', '/sys/kernel/mm/ksm/run'],
];

/** Ways that would change the host if they were open there. */
function harmfulWays({ victim }: Outside): string[] {
  return [
    ...[
      '/',
      '/usr',
      '/etc',
      '/var/lib',
      '/opt',
      '/srv',
      '/sys',
      '/proc/sys/kernel',
      '/sys/fs/cgroup',
      '/boot',
      '/usr/local/bin',
    ].map((directory) => `write\t${directory}/waybill-was-here`),
    ...kernelFiles.map((path) => `writable\t${path}`),
    'writable\t/etc/passwd',
    'append\t/etc/ld.so.preload\t',
    'writable\t/run/waybill/relay.socket',
    'remove\t/run/waybill/relay.socket',
    `mount\t${work}`,
    'mount\t/usr',
    `bind\t/\t${join(work, 'root')}`,
    `bind\t/proc\t${join(work, 'proc')}`,
    'umount\t/root',
    'umount\t/tmp',
    'umount\t/run',
    'umount\t/proc',
    `chroot\t${work}`,
    'setns\t/proc/1/ns/net',
    `setns\t/proc/${victim}/ns/net`,
    'setns\t/proc/1/ns/mnt',
    'file\t/proc/kcore',
    'file\t/dev/mem',
    'file\t/dev/kmsg',
    'file\t/etc/shadow',
    'devices',
  ];
}

const open = (attempts: readonly EscapeAttempt[]) =>
  attempts.filter(({ isOpen }) => isOpen).map(({ name, what }) => `${name}: ${what}`);

describe('a build that tries every way out', () => {
  it('finds them in the host environment: the probe works', async () => {
    const environment = await createHostEnvironment({ sessionProxyUrl: 'http://id:token@127.0.0.1:9' });
    try {
      const found = await probe(environment, certainWays(outside));
      expect(found.filter(({ isOpen }) => !isOpen)).toEqual([]);
      // Root finds raw sockets and more, everybody the machine's interfaces.
      expect(open(await probe(environment, possibleWays(outside))).length).toBeGreaterThan(isRoot ? 3 : 0);
    } finally {
      await environment.close();
      writeFileSync(outside.stateFile, 'before');
      rmSync(join(state, 'new'), { force: true });
    }
  });

  it('finds none in a sandbox but the relay', async () => {
    const environment = await createBubblewrapEnvironment({
      sessionProxyUrl: 'http://id:token@127.0.0.1:9',
      writable: [work],
      readable: [state],
    });
    try {
      const ways = [...certainWays(outside), ...possibleWays(outside), ...harmfulWays(outside)];
      expect(open(await probe(environment, ways))).toEqual([]);
      // What it can reach: its own loopback, and behind that the relay.
      const [relay] = await probe(environment, [`tcp\t127.0.0.1\t${new URL(environment.proxyUrl).port}`]);
      expect(relay).toMatchObject({ isOpen: true, what: expect.stringContaining('this is a proxy') });
    } finally {
      await environment.close();
    }
    expect(readFileSync(outside.stateFile, 'utf8')).toBe('before');
    expect(existsSync(join(state, 'new'))).toBe(false);
    expect(
      ['/waybill-was-here', '/usr/waybill-was-here', '/etc/waybill-was-here'].filter((path) => existsSync(path)),
    ).toEqual([]);
  });
});
