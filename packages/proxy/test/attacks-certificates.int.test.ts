import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createServer, type Server } from 'node:tls';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { fetchThrough } from './client.js';
import { startTestProxy } from './harness.js';

/** Certificates as somebody who holds a part of a chain could make them; openssl makes those that our own code cannot. */
describe('certificate chains of an upstream that trust would not extend to', () => {
  let directory: string;
  beforeAll(() => {
    directory = mkdtempSync(join(tmpdir(), 'waybill-chains-'));
    const extensions = 'basicConstraints=critical,CA:TRUE\nkeyUsage=critical,keyCertSign';
    certify('root', undefined, extensions);
    certify('constrained', 'root', `${extensions}\nnameConstraints=critical,permitted;DNS:allowed.example`);
    certify('excluding', 'root', `${extensions}\nnameConstraints=critical,excluded;DNS:localhost`);
    certify('short', 'root', 'basicConstraints=critical,CA:TRUE,pathlen:0\nkeyUsage=critical,keyCertSign');
    certify('below-short', 'short', extensions);
    certify('good', 'root', leaf());
  });
  afterAll(() => rmSync(directory, { recursive: true, force: true }));

  const leaf = (name = 'localhost', usage = 'serverAuth') =>
    `basicConstraints=CA:FALSE\nsubjectAltName=DNS:${name}\nextendedKeyUsage=${usage}`;

  /** Makes NAME.key and NAME.pem, signed by another of them or by itself. */
  function certify(name: string, issuer: string | undefined, extensions: string, key = 'ec'): void {
    const at = (file: string) => join(directory, file);
    const openssl = (...args: string[]) => execFileSync('openssl', args, { stdio: 'pipe' });
    writeFileSync(at(`${name}.ext`), extensions);
    const kind = key === 'ec' ? ['ec', '-pkeyopt', 'ec_paramgen_curve:P-256'] : [key];
    const request = ['-newkey', ...kind, '-nodes', '-keyout', at(`${name}.key`), '-subj', `/CN=${name}`];
    openssl('req', '-new', ...request, '-out', at(`${name}.csr`));
    const signer =
      issuer === undefined
        ? ['-signkey', at(`${name}.key`)]
        : ['-CA', at(`${issuer}.pem`), '-CAkey', at(`${issuer}.key`)];
    const serial = ['-set_serial', String(1 + Math.floor(Math.random() * 2 ** 40)), '-days', '2'];
    openssl(
      'x509',
      '-req',
      '-in',
      at(`${name}.csr`),
      ...signer,
      ...serial,
      '-extfile',
      at(`${name}.ext`),
      '-out',
      at(`${name}.pem`),
    );
  }

  const pem = (name: string) => readFileSync(join(directory, `${name}.pem`), 'utf8');

  async function ask(chain: readonly string[]): Promise<{ readonly status: number; readonly text: string }> {
    const [first = ''] = chain;
    const server: Server = createServer(
      { key: readFileSync(join(directory, `${first}.key`)), cert: chain.map(pem).join('') },
      (socket) => socket.on('error', () => {}).end('HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nreached'),
    );
    server.on('tlsClientError', () => {});
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const at = await startTestProxy({ upstream: { ca: [pem('root')] } });
    try {
      const { port } = server.address() as AddressInfo;
      const got = await fetchThrough(at, at.session('permissive'), `https://localhost:${port}/a`);
      return { status: got.status, text: got.text };
    } finally {
      await at.close();
      server.close();
    }
  }

  it('a chain without fault is accepted', async () => {
    expect(await ask(['good'])).toMatchObject({ status: 200 });
  });

  it.each<[string, () => string[]]>([
    [
      'for another name than its intermediate may sign for',
      () => [certified('outside', 'constrained', leaf()), 'constrained'],
    ],
    [
      'for a name that its intermediate may not sign for',
      () => [certified('excluded', 'excluding', leaf()), 'excluding'],
    ],
    ['signed by a leaf', () => [certified('below-leaf', 'good', leaf()), 'good']],
    [
      'below an intermediate that may have none below',
      () => [certified('deep', 'below-short', leaf()), 'below-short', 'short'],
    ],
    ['for clients', () => [certified('client', 'root', leaf('localhost', 'clientAuth'))]],
    ['for signing code', () => [certified('code', 'root', leaf('localhost', 'codeSigning'))]],
    ['for a wildcard of everything', () => [certified('everything', 'root', leaf('*'))]],
    [
      'for the name only in its subject',
      () => [certified('localhost', 'root', 'basicConstraints=CA:FALSE\nsubjectAltName=DNS:other.example')],
    ],
    ['for a name with an invisible end', () => [certified('nul', 'root', leaf('localhost.evil.example'))]],
    ['signed by itself', () => [certified('alone', undefined, leaf())]],
  ])('a certificate %s: 502', async (_name, chain) => {
    const got = await ask(chain());
    expect(got.status).toBe(502);
    expect(got.text).toMatch(/certificate of localhost:\d+ is (not accepted|for another name)/);
    expect(got.text).not.toContain('reached');
  });

  function certified(name: string, issuer: string | undefined, extensions: string): string {
    certify(name, issuer, extensions);
    return name;
  }
});
