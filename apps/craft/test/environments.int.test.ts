import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type IncomingHttpHeaders, type Server } from 'node:http';
import { type AddressInfo, createServer as createTcpServer } from 'node:net';
import { homedir, tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createBubblewrapEnvironment } from '../src/environments/bubblewrap.js';
import { bubblewrapProblem } from '../src/environments/detect.js';
import type { BuildEnvironment, CommandNetwork } from '../src/environments/environment.js';
import { createHostEnvironment } from '../src/environments/host.js';

const secret = 'token0123456789secret';
const wanted = `Basic ${Buffer.from(`session:${secret}`).toString('base64')}`;

/** Stands for the session's proxy: remembers what it got and answers plain requests and tunnels itself. */
function startFakeProxy() {
  const seen: { kind: string; url: string; headers: IncomingHttpHeaders; body?: string }[] = [];
  const big = Buffer.alloc(8 << 20, 'x');
  const server = createServer((request, response) => {
    const body: Buffer[] = [];
    request.on('data', (chunk) => body.push(chunk));
    request.on('end', () => {
      seen.push({
        kind: 'request',
        url: request.url ?? '',
        headers: request.headers,
        body: Buffer.concat(body).toString(),
      });
      if (request.headers['proxy-authorization'] !== wanted) response.writeHead(407).end('no');
      else if (request.url?.endsWith('/big')) response.writeHead(200).end(big);
      else response.writeHead(200, { 'X-Dup': ['1', '2'] }).end('hello through the relay');
    });
  });
  server.on('connect', (request, socket, head) => {
    socket.on('error', () => undefined);
    seen.push({ kind: 'connect', url: request.url ?? '', headers: request.headers });
    if (request.headers['proxy-authorization'] !== wanted)
      socket.end('HTTP/1.1 407 Proxy Authentication Required\r\n\r\n');
    else {
      socket.write('HTTP/1.1 200 Connection established\r\n\r\n');
      socket.write(head);
      socket.pipe(socket);
    }
  });
  return new Promise<{ server: Server; url: string; seen: typeof seen }>((resolve) =>
    server.listen(0, '127.0.0.1', () =>
      resolve({ server, seen, url: `http://session:${secret}@127.0.0.1:${(server.address() as AddressInfo).port}` }),
    ),
  );
}

let proxy: Awaited<ReturnType<typeof startFakeProxy>>;
let work: string;
beforeAll(async () => {
  proxy = await startFakeProxy();
  work = mkdtempSync(join(tmpdir(), 'waybill-env-'));
});
afterAll(() => {
  proxy.server.close();
  rmSync(work, { recursive: true, force: true });
});

async function sh(
  environment: BuildEnvironment,
  script: string,
  network: CommandNetwork = 'session',
  env: Record<string, string> = {},
) {
  const out: Buffer[] = [];
  const result = await environment.run({
    argv: ['sh', '-c', script],
    cwd: work,
    env: {
      PATH: process.env.PATH ?? '/usr/bin:/bin',
      http_proxy: environment.proxyUrl,
      https_proxy: environment.proxyUrl,
      ...env,
    },
    onStdout: (chunk) => out.push(chunk),
    onStderr: (chunk) => out.push(chunk),
    signal: new AbortController().signal,
    network,
  });
  return { ...result, text: Buffer.concat(out).toString() };
}

it('finds bubblewrap usable on this machine', async () => expect(await bubblewrapProblem()).toBeUndefined());

describe.each(['bubblewrap', 'host'] as const)('%s environment', (kind) => {
  let environment: BuildEnvironment;
  let bytes = 0;
  beforeAll(async () => {
    const common = { sessionProxyUrl: proxy.url, onTraffic: (traffic: { bytes: number }) => (bytes = traffic.bytes) };
    environment = await (kind === 'host'
      ? createHostEnvironment(common)
      : createBubblewrapEnvironment({ ...common, writable: [work] }));
  });
  afterAll(() => environment.close());

  it('adds the credentials to every plain request of a kept connection and drops those of the client', async () => {
    proxy.seen.length = 0;
    const ran = await sh(
      environment,
      'curl -sS -H "Proxy-Authorization: Basic bm9wZTpub3Bl" -d one http://upstream.example/a -d two http://upstream.example/b',
    );
    expect(ran.text).toBe('hello through the relayhello through the relay');
    expect(proxy.seen.map((request) => [request.url, request.headers['proxy-authorization']])).toEqual([
      ['http://upstream.example/a', wanted],
      ['http://upstream.example/b', wanted],
    ]);
  });

  it('adds them to tunnels', async () => {
    proxy.seen.length = 0;
    await sh(environment, 'curl -sS -m 5 -k https://upstream.example/ || true');
    expect(proxy.seen[0]).toMatchObject({
      kind: 'connect',
      url: 'upstream.example:443',
      headers: { 'proxy-authorization': wanted },
    });
  });

  it('passes large bodies on and counts them', async () => {
    const ran = await sh(environment, 'curl -sS http://upstream.example/big | sha256sum');
    expect(ran.text.slice(0, 64)).toBe(
      createHash('sha256')
        .update(Buffer.alloc(8 << 20, 'x'))
        .digest('hex'),
    );
    expect(bytes).toBeGreaterThanOrEqual(8 << 20);
  });

  it('never shows the token to the build', async () => {
    const ran = await sh(
      environment,
      'env; for f in /proc/[0-9]*/environ /proc/[0-9]*/cmdline; do tr "\\0" "\\n" <$f 2>/dev/null; done',
    );
    if (kind === 'bubblewrap') expect(ran.text).not.toContain(secret);
    expect((await sh(environment, 'env')).text).not.toContain(secret);
  });

  it('reports how the command ended and ends what it left behind', async () => {
    expect(await sh(environment, 'exit 7')).toMatchObject({ exitCode: 7 });
    const mark = join(work, `late-${kind}`);
    await sh(environment, `(sleep 1; echo late > ${mark}) & echo started`);
    await new Promise((resolve) => setTimeout(resolve, 1500));
    expect(() => readFileSync(mark)).toThrow(/ENOENT/);
  });

  it('ends everything when the signal aborts', async () => {
    const controller = new AbortController();
    const started = Date.now();
    const running = environment.run({
      argv: ['sh', '-c', 'sleep 60 & sleep 60'],
      cwd: work,
      env: { PATH: '/usr/bin:/bin' },
      onStdout: () => undefined,
      onStderr: () => undefined,
      signal: controller.signal,
      network: 'none',
    });
    setTimeout(() => controller.abort(), 200);
    expect((await running).signal ?? 'SIGKILL').toBe('SIGKILL');
    expect(Date.now() - started).toBeLessThan(30_000);
  });
});

describe('bubblewrap keeps the build in', () => {
  let environment: BuildEnvironment;
  let outside: Server;
  let direct = 0;
  let port = 0;
  const hidden = mkdtempSync('/var/lib/waybill-hidden-');
  const homeFile = join(homedir(), `.waybill-env-test-${process.pid}`);
  beforeAll(async () => {
    outside = createServer((_request, response) => {
      direct++;
      response.end('direct');
    });
    await new Promise<void>((resolve) => outside.listen(0, '127.0.0.1', () => resolve()));
    port = (outside.address() as AddressInfo).port;
    writeFileSync(join(hidden, 'auth'), secret);
    writeFileSync(homeFile, secret);
    environment = await createBubblewrapEnvironment({ sessionProxyUrl: proxy.url, writable: [work], hide: [hidden] });
  });
  afterAll(async () => {
    await environment.close();
    outside.close();
    rmSync(hidden, { recursive: true, force: true });
    rmSync(homeFile, { force: true });
  });

  it.each([
    ['TCP to the host loopback', () => `curl -sS -m 3 --noproxy '*' http://127.0.0.1:${port}/`],
    ['TCP to an outside address', () => `curl -sS -m 3 --noproxy '*' http://192.0.2.1/`],
    ['the session proxy itself', () => `curl -sS -m 3 --noproxy '*' ${new URL(proxy.url).origin}/`],
    ['DNS', () => 'getent hosts upstream.example'],
    ['UDP', () => 'echo x > /dev/udp/192.0.2.1/53'],
    ['a file in the home directory', () => `cat ${homeFile}`],
    ['a hidden directory', () => `cat ${join(hidden, 'auth')}`],
    ['/etc/shadow', () => 'test -s /etc/shadow'],
    ['writing outside the work directory', () => 'touch /usr/waybill-was-here'],
    ['mounting', () => `mount -t tmpfs none ${work}`],
  ])('no %s', async (_name, script) => {
    const ran = await sh(environment, `bash -c ${JSON.stringify(script())}`);
    expect(ran.exitCode, ran.text).not.toBe(0);
    expect(ran.text).not.toContain(secret);
    expect(direct).toBe(0);
  });

  it('no abstract or path sockets of the host', async () => {
    const abstract = createTcpServer((socket) => socket.end('out'));
    const name = `waybill-test-${process.pid}`;
    await new Promise<void>((resolve) => abstract.listen({ path: `\0${name}` }, () => resolve()));
    try {
      const script = `const net=require('net');const s=net.connect({path:'\\0${name}'});s.on('connect',()=>{console.log('CONNECTED');process.exit(0)});s.on('error',e=>{console.log(e.code);process.exit(1)})`;
      const ran = await sh(environment, `${process.execPath} -e "${script}"`);
      expect(ran.text).toMatch(/ECONNREFUSED|ENOENT/);
    } finally {
      abstract.close();
    }
    // A socket file that nobody listens on any more leads nowhere: only those that take a connection count.
    const connectAll = `
      const net = require('node:net');
      const paths = require('node:fs').readFileSync(0, 'utf8').trim().split('\\n').filter(Boolean);
      for (const path of new Set(paths)) {
        const socket = net.connect({ path }, () => { console.log(path); socket.destroy(); });
        socket.on('error', () => {});
      }`;
    writeFileSync(join(work, 'connect-all.cjs'), connectAll);
    const sockets = await sh(
      environment,
      `(find / -xdev -type s 2>/dev/null; for f in /run/* /run/*/* /tmp/* /dev/*; do test -S $f && test ! -h $f && echo $f; done) | ${process.execPath} connect-all.cjs`,
    );
    expect(sockets.text.trim().split('\n')).toEqual(['/run/waybill/relay.socket']);
  });

  it('lets nothing inherit open files and sees only its own processes', async () => {
    const ran = await sh(environment, 'ls /proc/self/fd/ | tr "\\n" " "; echo; ls -d /proc/[0-9]* | wc -l');
    expect(ran.text).toMatch(/^0 1 2 3 \n/);
    expect(Number(ran.text.trim().split('\n').at(-1)?.split(' ').at(-1))).toBeLessThan(12);
  });

  it('has no network at all for steps that need none', async () => {
    const ran = await sh(environment, 'curl -sS -m 3 http://upstream.example/', 'none', {
      http_proxy: 'http://127.0.0.1:3128',
    });
    expect(ran.exitCode).not.toBe(0);
  });

  it('writes where it may', async () => {
    mkdirSync(join(work, 'out'), { recursive: true });
    await sh(environment, 'echo done > out/file');
    expect(readFileSync(join(work, 'out/file'), 'utf8')).toBe('done\n');
  });
});

describe('the relay of the host environment', () => {
  const connectAs = (uid: number | undefined, url: string) =>
    new Promise<string>((resolve) => {
      const script = `use Socket; my ($host, $port) = @ARGV; socket(my $s, AF_INET, SOCK_STREAM, 0) or die;
        connect($s, pack_sockaddr_in($port, inet_aton($host))) or die "refused";
        syswrite $s, "GET http://upstream.example/a HTTP/1.1\\r\\nHost: x\\r\\nConnection: close\\r\\n\\r\\n";
        print while <$s>; print "closed";`;
      const { hostname, port } = new URL(url);
      const child = spawn('/usr/bin/perl', ['-e', script, hostname, port], {
        cwd: '/',
        env: {},
        stdio: ['ignore', 'pipe', 'inherit'],
        ...(uid !== undefined && { uid }),
      });
      let text = '';
      child.stdout.on('data', (chunk) => {
        text += chunk;
      });
      child.once('close', () => resolve(text));
    });

  it('serves its own user and nobody else', async () => {
    const environment = await createHostEnvironment({ sessionProxyUrl: proxy.url });
    try {
      expect(await connectAs(undefined, environment.proxyUrl)).toContain('hello through the relay');
      // Only root can become somebody else to try; the table of users is tested without.
      const others = process.geteuid?.() === 0 ? [65_534, 1000] : [];
      proxy.seen.length = 0;
      for (const uid of others) expect(await connectAs(uid, environment.proxyUrl)).toBe('closed');
      expect(proxy.seen).toEqual([]);
    } finally {
      await environment.close();
    }
  });
});
