import { readdir, readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { rootCertificates } from 'node:tls';
import { ClientSetupError } from './client-setup-error.js';
import { readCertificates } from './pem.js';

/** Where systems keep their bundle; the first that holds certificates is taken. */
const systemBundles = [
  '/etc/ssl/certs/ca-certificates.crt', // Debian, Ubuntu, Gentoo
  '/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem', // Fedora, RHEL
  '/etc/pki/tls/certs/ca-bundle.crt', // older RHEL, Amazon
  '/etc/ca-certificates/extracted/tls-ca-bundle.pem', // Arch
  '/etc/ssl/ca-bundle.pem', // openSUSE
  '/var/lib/ca-certificates/ca-bundle.pem', // openSUSE
  '/etc/ssl/cert.pem', // Alpine, macOS, OpenBSD
  '/usr/local/share/certs/ca-root-nss.crt', // FreeBSD
  '/opt/homebrew/etc/ca-certificates/cert.pem',
  '/usr/local/etc/openssl@3/cert.pem',
];

const largestBundle = 16 << 20;
const mostFiles = 2000;

/**
 * Roots that the host's clients trust: its `SSL_CERT_FILE` when set, else the system's bundle, else the ones Node brings; and
 * those in its `SSL_CERT_DIR` when set. DER.
 *
 * @throws ClientSetupError SETUP_ROOTS_INVALID when `SSL_CERT_FILE` is set and holds no certificate
 */
export async function findSystemRoots(
  hostEnv: Readonly<NodeJS.ProcessEnv>,
  bundles: readonly string[] = systemBundles,
): Promise<Buffer[]> {
  return [...(await bundledRoots(hostEnv.SSL_CERT_FILE, bundles)), ...(await folderRoots(hostEnv.SSL_CERT_DIR))];
}

async function bundledRoots(named: string | undefined, bundles: readonly string[]): Promise<Buffer[]> {
  if (named) {
    const roots = await readBundle(named);
    if (roots.length > 0) return roots;
    throw new ClientSetupError('SETUP_ROOTS_INVALID', `SSL_CERT_FILE is ${named}, which holds no PEM certificate`, {
      hint: "point SSL_CERT_FILE at a bundle of root certificates, or unset it to use the system's",
    });
  }
  for (const bundle of bundles) {
    const roots = await readBundle(bundle);
    if (roots.length > 0) return roots;
  }
  return readCertificates(rootCertificates.join('\n'));
}

/** `SSL_CERT_DIR` may name several folders, separated as in PATH. */
async function folderRoots(folders: string | undefined): Promise<Buffer[]> {
  const roots: Buffer[] = [];
  for (const folder of (folders ?? '').split(':').filter((path) => path !== '')) {
    const names = await readdir(folder).catch(() => []);
    for (const name of names.sort().slice(0, mostFiles)) {
      if (/\.(?:pem|crt|cer|\d+)$/.test(name)) roots.push(...(await readBundle(join(folder, name))));
    }
  }
  return roots;
}

async function readBundle(path: string): Promise<Buffer[]> {
  const size = await stat(path).then(
    (found) => (found.isFile() ? found.size : 0),
    () => 0,
  );
  if (size === 0 || size > largestBundle) return [];
  return readFile(path, 'utf8').then(readCertificates, () => []);
}
