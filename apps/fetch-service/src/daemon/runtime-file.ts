import { lstat, readFile, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { type RuntimeFile, runtimeFileSchema } from '@waybill/contracts';
import { FetchServiceError, messageOf } from '../errors.js';
import { makeDirectory } from '../files/make-directory.js';
import { writeAtomically } from '../files/write-atomically.js';

/** `<runtime dir>/waybill/fetch-service.json`, see `runtimeFileSchema`. */
export function defaultRuntimeFile(environment: Readonly<Record<string, string | undefined>>): string {
  const directory =
    environment.WAYBILL_RUNTIME_DIR ||
    environment.XDG_RUNTIME_DIR ||
    join(tmpdir(), `waybill-${process.getuid?.() ?? 0}`);
  return join(directory, 'waybill', 'fetch-service.json');
}

/**
 * Writes the file by which clients on this machine find the daemon; it holds the credentials of the control API, so it is ours
 * alone. A daemon that starts later takes the place of an earlier one.
 * @throws FetchServiceError FETCH_OPTION_INVALID
 */
export async function writeRuntimeFile(path: string, content: RuntimeFile): Promise<void> {
  try {
    await makeDirectory(dirname(path), 0o700);
    await assertOurs(dirname(path));
    await writeAtomically(path, `${JSON.stringify(runtimeFileSchema.parse(content), undefined, 2)}\n`, 0o600);
  } catch (cause) {
    throw new FetchServiceError(
      'FETCH_OPTION_INVALID',
      `the runtime file ${path} cannot be written: ${messageOf(cause)}`,
      {
        hint: 'name another with --runtime-file=PATH',
        cause,
      },
    );
  }
}

/** Removes the file if it still speaks of this process. */
export async function removeRuntimeFile(path: string): Promise<void> {
  const content = await readFile(path, 'utf8').catch(() => '');
  try {
    if (runtimeFileSchema.parse(JSON.parse(content)).pid === process.pid) await rm(path, { force: true });
  } catch {
    // Gone, or another's.
  }
}

/** In a shared temporary directory somebody else may have made the folder, or a link in its place, to read what is written there. */
async function assertOurs(directory: string): Promise<void> {
  for (const path of [directory, dirname(directory)]) {
    const target = await stat(path);
    const owners = [target.uid, (await lstat(path)).uid];
    if (!target.isDirectory()) throw new Error(`${path} is not a directory`);
    if (owners.some((uid) => uid !== 0 && uid !== process.getuid?.()))
      throw new Error(`${path} belongs to another user`);
  }
}
