import { mkdir, stat } from 'node:fs/promises';
import { dirname } from 'node:path';

/**
 * Makes a directory and its missing parents. Not `mkdir` with `recursive`: below a file system that answers ENOENT for what
 * cannot be made (`/proc`) that one never returns.
 * @throws the system's error
 */
export async function makeDirectory(path: string): Promise<void> {
  const found = await stat(path).catch((cause: NodeJS.ErrnoException) => {
    if (cause.code === 'ENOENT') return undefined;
    throw cause;
  });
  if (found?.isDirectory()) return;
  if (!found && dirname(path) !== path) await makeDirectory(dirname(path));
  await mkdir(path).catch(async (cause: NodeJS.ErrnoException) => {
    // Another process may have been quicker.
    if (cause.code !== 'EEXIST' || !(await stat(path)).isDirectory()) throw cause;
  });
}
