import { execFileSync } from 'node:child_process';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createLeafIssuer, createRootCa, loadRootCa } from '../src/index.js';
import { handshake } from './handshake.js';
import { type HttpsServer, startHttpsServer } from './https-server.js';
import { isInstalled, run } from './programs.js';
import { goClient, javaClient, tlsClients } from './tls-clients.js';

const isCi = process.env.WAYBILL_CI === '1';
let dir: string;
const file = (name: string) => join(dir, name);

beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), 'waybill-ca-int-'));
  await mkdir(file('empty'));
  const root = await createRootCa();
  await writeFile(file('root.pem'), root.certificatePem);
  await writeFile(file('stranger.pem'), (await createRootCa()).certificatePem);
  await writeFile(file('Client.java'), javaClient);
  if (isInstalled('go')) {
    await writeFile(file('client.go'), goClient);
    const env = { ...process.env, GOPROXY: 'off', GOTOOLCHAIN: 'local', GOFLAGS: '-mod=mod', CGO_ENABLED: '0' };
    execFileSync('go', ['build', '-o', file('go-client'), file('client.go')], { env, stdio: 'pipe' });
  }
  const issuer = createLeafIssuer({ root });
  for (const [host, address] of hosts)
    servers.set(host, await startHttpsServer(issuer, host.replace(/^\[|\]$/g, ''), address));
  issued = issuer;
  rootSubject = root.subject;
}, 120_000);

const hosts = [
  ['localhost', '127.0.0.1'],
  ['127.0.0.1', '127.0.0.1'],
  ['[::1]', '::1'],
] as const;
const servers = new Map<string, HttpsServer>();
let issued: ReturnType<typeof createLeafIssuer>;
let rootSubject: string;

afterAll(async () => {
  for (const server of servers.values()) server.close();
  await rm(dir, { recursive: true });
});

const clients = tlsClients.filter(({ program, isRequired }) => (isRequired && isCi) || isInstalled(program));

describe.each(clients)('$program', ({ visit }) => {
  it.each(hosts)('accepts the leaf of %s', async (host) => {
    const { port } = servers.get(host) as HttpsServer;
    const outcome = await visit({ host, port, caFile: file('root.pem'), dir });
    expect(outcome).toEqual({ code: 0, output: expect.stringContaining('hello over tls') });
  });

  it('refuses it without the root', async () => {
    const { port } = servers.get('localhost') as HttpsServer;
    const outcome = await visit({ host: 'localhost', port, caFile: file('stranger.pem'), dir });
    expect(outcome.code).not.toBe(0);
    expect(outcome.output).not.toContain('hello');
  });

  it('refuses the leaf of another host', async () => {
    const { port } = servers.get('127.0.0.1') as HttpsServer;
    const outcome = await visit({ host: 'localhost', port, caFile: file('root.pem'), dir });
    expect(outcome.code).not.toBe(0);
    expect(outcome.output).not.toContain('hello');
  });
});

describe('openssl verify -x509_strict', () => {
  const verify = (caFile: string, leaf: string, ...args: string[]) =>
    run([
      'openssl',
      'verify',
      '-x509_strict',
      '-check_ss_sig',
      '-purpose',
      'sslserver',
      ...args,
      '-CAfile',
      caFile,
      leaf,
    ]);

  it('passes the root itself', async () => {
    const outcome = await run([
      'openssl',
      'verify',
      '-x509_strict',
      '-check_ss_sig',
      '-CAfile',
      file('root.pem'),
      file('root.pem'),
    ]);
    expect(outcome).toMatchObject({ code: 0 });
  });

  it.each([
    ['host.example', ['-verify_hostname', 'host.example']],
    ['under_score.example', ['-verify_hostname', 'under_score.example']],
    ['192.0.2.7', ['-verify_ip', '192.0.2.7']],
    ['2001:db8::7', ['-verify_ip', '2001:db8::7']],
    [
      `${'a'.repeat(63)}.${'b'.repeat(63)}.example`,
      ['-verify_hostname', `${'a'.repeat(63)}.${'b'.repeat(63)}.example`],
    ],
  ])('passes the leaf of %s', async (host, args) => {
    await writeFile(file('leaf.pem'), (await handshake(issued, host)).certificate.toString());
    expect(await verify(file('root.pem'), file('leaf.pem'), ...args)).toMatchObject({ code: 0 });
    expect(await verify(file('stranger.pem'), file('leaf.pem'), ...args)).not.toMatchObject({ code: 0 });
    expect(await verify(file('root.pem'), file('leaf.pem'), '-verify_hostname', 'other.example')).not.toMatchObject({
      code: 0,
    });
  });

  it.each([
    ['RSA 4096 in PKCS#1', ['genrsa', '-traditional', '4096']],
    ['RSA 2048 in PKCS#8', ['genpkey', '-algorithm', 'RSA', '-pkeyopt', 'rsa_keygen_bits:2048']],
    ['P-256 in SEC1', ['ecparam', '-name', 'prime256v1', '-genkey', '-noout']],
    ['P-384 in PKCS#8', ['genpkey', '-algorithm', 'EC', '-pkeyopt', 'ec_paramgen_curve:P-384']],
  ])('passes leaves of a CA that openssl made with %s', async (_name, genkey) => {
    const files = { certFile: file('existing.pem'), keyFile: file('existing.key') };
    await run(['/bin/sh', '-c', `umask 077; openssl "$@" > '${files.keyFile}'`, 'sh', ...genkey]);
    // As the daemon that Waybill takes over from makes its CA: specs/craft-client.md §1.3.
    const made = await run([
      'openssl',
      'req',
      '-new',
      '-x509',
      '-sha256',
      '-days',
      '7300',
      '-key',
      files.keyFile,
      '-out',
      files.certFile,
      '-subj',
      '/C=DE/O=Ünïcode & Sons/CN=root@localhost',
      '-utf8',
      '-addext',
      'keyUsage=critical,keyCertSign,cRLSign',
    ]);
    expect(made).toMatchObject({ code: 0 });
    const root = await loadRootCa(files);
    await writeFile(
      file('leaf.pem'),
      (await handshake(createLeafIssuer({ root }), 'host.example')).certificate.toString(),
    );
    expect(await verify(files.certFile, file('leaf.pem'), '-verify_hostname', 'host.example')).toMatchObject({
      code: 0,
    });
  });

  it('shows root and leaf as people read them', async () => {
    await writeFile(file('leaf.pem'), (await handshake(issued, 'host.example')).certificate.toString());
    const { output } = await run([
      'openssl',
      'x509',
      '-in',
      file('leaf.pem'),
      '-noout',
      '-subject',
      '-issuer',
      '-nameopt',
      'RFC2253',
    ]);
    expect(output).toBe(`subject=CN=host.example\nissuer=${rootSubject}\n`);
  });
});

it('issues a leaf in less than 10 ms (median)', async () => {
  const times: number[] = [];
  for (let i = 0; i < 51; i++) {
    const started = performance.now();
    await issued.contextFor(`h${i}.example`);
    times.push(performance.now() - started);
  }
  expect(times.sort((a, b) => a - b)[25]).toBeLessThan(10);
});
