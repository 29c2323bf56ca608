import { mkdir, stat } from 'node:fs/promises';
import { dirname } from 'node:path';
import { systemCode } from '../errors.js';

/**
 * Makes a directory and its missing parents. Not `mkdir` with `recursive`: below a file system that answers ENOENT for what
 * cannot be made (`/proc`) that one never returns.
 * @throws the system's error
 */
export async function makeDirectory(path: string, mode: number): Promise<void> {
  const found = await stat(path).catch((cause: unknown) => {
    if (systemCode(cause) === 'ENOENT') return undefined;
    throw cause;
  });
  if (found?.isDirectory()) return;
  if (!found && dirname(path) !== path) await makeDirectory(dirname(path), mode);
  await mkdir(path, mode).catch(async (cause: unknown) => {
    // Another process may have been quicker.
    if (systemCode(cause) !== 'EEXIST' || !(await stat(path)).isDirectory()) throw cause;
  });
}
