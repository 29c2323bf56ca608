import { chmod, link, mkdir, open, readFile, rename, rm, stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { isWaybillError } from '@waybill/contracts';
import { CaError } from './ca-error.js';
import { checkRootCa } from './check-root-ca.js';
import { type CreateRootCaOptions, createRootCa } from './create-root-ca.js';
import { parseRootCa, type RootCa } from './root-ca.js';
import { readSigningKey } from './signing-key.js';
import { removeStaleFiles, temporaryName } from './temporary-files.js';

/** The two files of a CA. */
export interface RootCaFiles {
  readonly certFile: string;
  readonly keyFile: string;
}

/** A folder of ours, or two files of the operator. */
export type RootCaLocation = RootCaFiles | { readonly dir: string };

/** Where a CA lies in a folder of ours. */
export function rootCaFilesIn(dir: string): RootCaFiles {
  return { certFile: join(dir, 'root-ca.pem'), keyFile: join(dir, 'root-ca.key.pem') };
}

/**
 * Reads a CA.
 * @throws CaError CA_FILE_MISSING, CA_FILE_UNREADABLE, CA_CERTIFICATE_INVALID, CA_KEY_INVALID, CA_KEY_UNSUPPORTED, CA_KEY_MISMATCH
 */
export async function loadRootCa(files: RootCaFiles): Promise<RootCa> {
  const certificatePem = await readPem(files.certFile, 'certificate');
  try {
    return await loadWith(files, certificatePem, files.keyFile);
  } catch (error) {
    // A rotation that was interrupted between its two renames: the key of the new certificate is still under its other name.
    if (!isWaybillError(error) || error.code !== 'CA_KEY_MISMATCH') throw error;
    const completed = await loadWith(files, certificatePem, pendingName(files.keyFile)).catch(() => undefined);
    if (!completed) throw error;
    await rename(pendingName(files.keyFile), files.keyFile);
    return completed;
  }
}

/**
 * Loads a CA, or creates it when neither file is there. Several processes may do so at once: one creates, all load the same.
 * In a folder of ours (`dir`) permissions are tightened and an expired root is replaced; files of the operator are left as
 * they are, see {@link checkRootCa}.
 *
 * @throws CaError as `loadRootCa`, and CA_FILE_UNWRITABLE, CA_VALIDITY_INVALID
 */
export async function loadOrCreateRootCa(options: RootCaLocation & CreateRootCaOptions): Promise<RootCa> {
  const files = filesOf(options);
  if (!(await exists(files.keyFile)) && !(await exists(files.certFile))) await createFiles(files, options);
  else if ('dir' in options) await completeCreation(files, options);
  if (!('dir' in options)) return loadRootCa(files);
  // A key among them: what a killed process left must not lie about.
  await removeStaleFiles([files.keyFile, files.certFile]);
  await chmod(files.keyFile, 0o600);
  const root = await loadRootCa(files);
  const isExpired = checkRootCa(root, { clock: options.clock }).some(({ problem }) => problem === 'expired');
  return isExpired ? rotateRootCa(options) : root;
}

/**
 * Replaces a CA by a new one. Clients that trust the old one have to be given the new certificate; leaves made before stay
 * valid until they expire. Killed at any moment, the files still load as the old or the new pair.
 *
 * @throws CaError CA_FILE_UNWRITABLE, CA_VALIDITY_INVALID
 */
export async function rotateRootCa(options: RootCaLocation & CreateRootCaOptions): Promise<RootCa> {
  const files = filesOf(options);
  await saveRootCa(await createRootCa(options), files);
  return loadRootCa(files);
}

/**
 * Writes certificate (0644) and key (0600) over what is there, as a pair: see {@link rotateRootCa}.
 * @throws CaError CA_FILE_UNWRITABLE
 */
export async function saveRootCa(root: RootCa, files: RootCaFiles): Promise<void> {
  await writing(files.keyFile, async () => {
    await makeFolders(files);
    const nextKey = pendingName(files.keyFile);
    const nextCertificate = pendingName(files.certFile);
    await writeDurably(nextKey, root.keyPem, 0o600);
    await writeDurably(nextCertificate, root.certificatePem + root.chainPem, 0o644);
    await rename(nextCertificate, files.certFile);
    await rename(nextKey, files.keyFile);
    await syncFolder(files);
  });
}

/** The key is published first and exclusively: whoever links it first owns the CA, the others wait for its certificate. */
async function createFiles(files: RootCaFiles, options: CreateRootCaOptions): Promise<void> {
  const root = await createRootCa(options);
  await writing(files.keyFile, async () => {
    await makeFolders(files);
    if (await publish(files.keyFile, root.keyPem, 0o600)) {
      await publish(files.certFile, root.certificatePem, 0o644);
      await syncFolder(files);
    } else {
      await completeCreation(files, options);
    }
  });
}

/** A key without certificate: another process is about to publish it, or was killed; after a while it is made here. */
async function completeCreation(files: RootCaFiles, options: CreateRootCaOptions): Promise<void> {
  for (let waited = 0; waited < 2000 && !(await exists(files.certFile)); waited += 50) {
    if (!(await exists(files.keyFile))) return;
    await sleep(50);
  }
  if (await exists(files.certFile)) return;
  const { keyObject } = readSigningKey(await readPem(files.keyFile, 'key'), files.keyFile);
  const root = await createRootCa({ ...options, key: keyObject });
  await publish(files.certFile, root.certificatePem, 0o644);
}

/** Writes a file that must not be there yet, complete from the first moment; false when it is there. */
async function publish(path: string, text: string, mode: number): Promise<boolean> {
  const temporary = temporaryName(path);
  try {
    await writeDurably(temporary, text, mode);
    await link(temporary, path);
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return false;
    throw error;
  } finally {
    await rm(temporary, { force: true });
  }
}

async function writeDurably(path: string, text: string, mode: number): Promise<void> {
  await rm(path, { force: true });
  const file = await open(path, 'wx', mode);
  try {
    await file.writeFile(text);
    await file.chmod(mode);
    await file.sync();
  } finally {
    await file.close();
  }
}

async function loadWith(files: RootCaFiles, certificatePem: string, keyFile: string): Promise<RootCa> {
  const keyPem = await readPem(keyFile, 'key');
  const keyFileMode = (await stat(keyFile)).mode & 0o777;
  return parseRootCa({ certificatePem, keyPem }, { ...files, keyFileMode });
}

async function readPem(path: string, what: 'certificate' | 'key'): Promise<string> {
  try {
    return await readFile(path, 'utf8');
  } catch (cause) {
    const isMissing = (cause as NodeJS.ErrnoException).code === 'ENOENT';
    throw new CaError(
      isMissing ? 'CA_FILE_MISSING' : 'CA_FILE_UNREADABLE',
      `the CA ${what} ${path} ${isMissing ? 'is not there' : 'cannot be read'}`,
      {
        cause,
        hint: isMissing
          ? 'give the certificate and the key of one CA, or neither to have one created'
          : 'check owner and mode of the file',
      },
    );
  }
}

async function writing(path: string, action: () => Promise<void>): Promise<void> {
  try {
    await action();
  } catch (cause) {
    if (isWaybillError(cause)) throw cause;
    throw new CaError(
      'CA_FILE_UNWRITABLE',
      `the CA files cannot be written beside ${path}: ${(cause as Error).message}`,
      {
        cause,
        hint: 'check that the folder is writable and the disk is not full',
      },
    );
  }
}

async function makeFolders(files: RootCaFiles): Promise<void> {
  for (const path of [files.keyFile, files.certFile]) await mkdir(dirname(path), { recursive: true, mode: 0o700 });
}

async function syncFolder(files: RootCaFiles): Promise<void> {
  for (const path of new Set([dirname(files.keyFile), dirname(files.certFile)])) {
    const folder = await open(path, 'r');
    // Not every file system lets a folder be synced; the rename is atomic without it.
    await folder.sync().catch(() => undefined);
    await folder.close();
  }
}

async function exists(path: string): Promise<boolean> {
  return stat(path).then(
    () => true,
    () => false,
  );
}

function pendingName(path: string): string {
  return `${path}.new`;
}

function filesOf(location: RootCaLocation): RootCaFiles {
  return 'dir' in location ? rootCaFilesIn(location.dir) : location;
}
