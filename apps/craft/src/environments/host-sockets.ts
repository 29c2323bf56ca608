import { lstatSync, readdirSync, readFileSync, realpathSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';

const socketTable = '/proc/net/unix';

/**
 * Unix sockets of this machine that lie in its file system. A sandbox hides them one by one where no mask covers them: a
 * read-only file system does not keep a client from connecting, and who listens there (a container engine, a database, an
 * agent) acts outside.
 */
export function hostSockets(table = socketTable): string[] {
  return locateSockets(boundPaths(table));
}

/** Names under which sockets of this machine were bound in its file system. Sockets of a sandbox stand in a table of its own. */
export function boundPaths(table = socketTable): string[] {
  // Num RefCount Protocol Flags Type St Inode Path; abstract names begin with @ and need another network namespace.
  const line = /^[0-9a-f]+:(?: +[0-9a-fA-F]+){5} +\d+ (\/.+)$/;
  return readTable(table).flatMap((text) => line.exec(text)?.[1] ?? []);
}

/** Where such sockets lie now, without symbolic links. */
export function locateSockets(paths: readonly string[]): string[] {
  const found = new Set<string>();
  for (const path of paths) {
    const real = realSocket(path);
    if (real !== undefined) found.add(real);
    else for (const near of socketsNear(path)) found.add(near);
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

/**
 * The table keeps the name that a socket was bound under. One that was given its place by a rename afterwards, as fetch-service
 * does with its control socket, is looked for in what remains of that path: the nearest directory that still exists.
 */
function socketsNear(path: string): string[] {
  for (let directory = dirname(path); directory !== '/'; directory = dirname(directory)) {
    try {
      const real = realpathSync(directory);
      return readdirSync(real, { withFileTypes: true })
        .filter((entry) => entry.isSocket())
        .map((entry) => join(real, entry.name));
    } catch {
      // Gone as well.
    }
  }
  return [];
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
