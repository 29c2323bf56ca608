import { execFile } from 'node:child_process';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import type { Client, ClientFile } from './client.js';
import { writeCertificates } from './pem.js';

const run = promisify(execFile);
const databaseFiles = ['cert9.db', 'key4.db', 'pkcs11.txt'] as const;
const timeoutMs = 20_000;

/**
 * NSS (Chromium, Firefox, curl built with it) has roots of its own and adds a database to them, which only NSS can write: it is
 * made where `certutil` is installed, and left out otherwise. `SSL_DIR` leads the tools of NSS there; browsers look into
 * `~/.pki/nssdb`.
 */
export const nss: Client = async ({ ca, inside, hostEnv }) => {
  const files = hostEnv.PATH ? await database(ca, hostEnv.PATH, inside('nss')) : [];
  return files.length > 0 ? { env: { SSL_DIR: inside('nss') }, files } : {};
};

async function database(ca: readonly Buffer[], path: string, place: string): Promise<ClientFile[]> {
  const dir = await mkdtemp(join(tmpdir(), 'waybill-nss-'));
  const certutil = (...args: string[]) =>
    run('certutil', ['-d', `sql:${dir}`, ...args], { env: { PATH: path, HOME: dir }, timeout: timeoutMs });
  try {
    await certutil('-N', '--empty-password');
    for (const [index, der] of ca.entries()) {
      const file = join(dir, `${index}.pem`);
      await writeFile(file, writeCertificates([der]));
      await certutil('-A', '-n', `session-${index}`, '-t', 'C,,', '-a', '-i', file);
    }
    return await Promise.all(
      databaseFiles.map(async (name): Promise<ClientFile> => {
        const bytes = await readFile(join(dir, name));
        // The module database says where it lies.
        const content = name === 'pkcs11.txt' ? bytes.toString('utf8').replaceAll(dir, place) : bytes;
        return { name: `nss/${name}`, content, description: "NSS: the session's CA" };
      }),
    );
  } catch {
    // Without certutil, or with one that cannot: nothing else depends on it.
    return [];
  } finally {
    await rm(dir, { recursive: true, force: true });
  }
}
