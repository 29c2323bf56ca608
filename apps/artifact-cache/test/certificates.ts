import { execFile } from 'node:child_process';
import { createHash, X509Certificate } from 'node:crypto';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';

const run = promisify(execFile);

/** Files of a certificate and its key, PEM. */
export interface CertificateFiles {
  readonly cert: string;
  readonly key: string;
}

/** Makes a root, or with `by` a leaf of it, with the system's openssl. */
export async function makeCertificate(
  directory: string,
  name: string,
  by?: CertificateFiles,
): Promise<CertificateFiles> {
  const [cert, key] = [join(directory, `${name}.pem`), join(directory, `${name}.key`)];
  const extensions = join(directory, `${name}.cnf`);
  const constraint = by ? 'basicConstraints=CA:FALSE' : 'basicConstraints=critical,CA:TRUE';
  await writeFile(
    extensions,
    `[req]\ndistinguished_name=dn\nx509_extensions=x\nprompt=no\n[dn]\nCN=${name}\n[x]\n${constraint}\nsubjectAltName=DNS:localhost,IP:127.0.0.1\n`,
  );
  const signed = by ? ['-CA', by.cert, '-CAkey', by.key] : [];
  const fresh = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-keyout', key];
  await run('openssl', ['req', '-x509', ...fresh, ...signed, '-days', '30', '-config', extensions, '-out', cert]);
  return { cert, key };
}

/** sha256 of the DER in hex: how a certificate is known to the cache. */
export async function certificateDigest(file: string): Promise<string> {
  return createHash('sha256')
    .update(new X509Certificate(await readFile(file)).raw)
    .digest('hex');
}
