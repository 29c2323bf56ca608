import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { runProgram } from '../processes/run-program.ts';

/** A certificate and its key, as files and as text. */
export interface Certificate {
  readonly certFile: string;
  readonly keyFile: string;
  readonly certPem: string;
  readonly keyPem: string;
}

const curve = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes'];

/** A P-256 root CA. */
export async function createThrowAwayCa(dir: string, name: string): Promise<Certificate> {
  const extensions = ['basicConstraints=critical,CA:TRUE', 'keyUsage=critical,keyCertSign,cRLSign'];
  await runProgram(
    'openssl',
    [
      'req',
      '-x509',
      ...curve,
      '-keyout',
      `${name}.key`,
      '-out',
      `${name}.crt`,
      '-days',
      '365',
      '-subj',
      `/CN=${name}`,
    ].concat(extensions.flatMap((extension) => ['-addext', extension])),
    dir,
  );
  return read(dir, name);
}

/** A server certificate for these host names, signed by a root of the same directory. */
export async function createServerCertificate(
  dir: string,
  root: string,
  hosts: readonly string[],
): Promise<Certificate> {
  const names = hosts.map((host) => `DNS:${host}`).join();
  const extensions = `basicConstraints=CA:FALSE\nsubjectAltName=${names}\nextendedKeyUsage=serverAuth\n`;
  await writeFile(join(dir, 'server.ext'), extensions);
  await runProgram(
    'openssl',
    ['req', ...curve, '-keyout', 'server.key', '-out', 'server.csr', '-subj', `/CN=${hosts[0]}`],
    dir,
  );
  const signing = ['-CA', `${root}.crt`, '-CAkey', `${root}.key`, '-CAcreateserial', '-days', '365'];
  await runProgram(
    'openssl',
    ['x509', '-req', '-in', 'server.csr', ...signing, '-extfile', 'server.ext', '-out', 'server.crt'],
    dir,
  );
  return read(dir, 'server');
}

async function read(dir: string, name: string): Promise<Certificate> {
  const certFile = join(dir, `${name}.crt`);
  const keyFile = join(dir, `${name}.key`);
  const [certPem, keyPem] = await Promise.all([readFile(certFile, 'utf8'), readFile(keyFile, 'utf8')]);
  return { certFile, keyFile, certPem, keyPem };
}
