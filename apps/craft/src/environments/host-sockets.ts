import { lstatSync, readFileSync, realpathSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';

/**
 * Unix sockets of this machine that lie in its file system. A sandbox hides them one by one where no mask covers them: a
 * read-only file system does not keep a client from connecting, and who listens there (a container engine, a database, an
 * agent) acts outside.
 */
export function hostSockets(table = '/proc/net/unix'): string[] {
  const found = new Set<string>();
  for (const line of readTable(table)) {
    // Num RefCount Protocol Flags Type St Inode Path; abstract names begin with @ and need another network namespace.
    const path = /^[0-9a-f]+:(?: +[0-9a-fA-F]+){5} +\d+ (\/.+)$/.exec(line)?.[1];
    const real = path === undefined ? undefined : realSocket(path);
    if (real !== undefined) found.add(real);
  }
  return [...found].sort();
}

function readTable(table: string): string[] {
  try {
    return readFileSync(table, 'utf8').split('\n');
  } catch {
    return [];
  }
}

/** The socket's path without symbolic links; undefined when it is gone or in another mount namespace. */
function realSocket(path: string): string | undefined {
  try {
    const real = join(realpathSync(dirname(path)), basename(path));
    return lstatSync(real).isSocket() ? real : undefined;
  } catch {
    return undefined;
  }
}
