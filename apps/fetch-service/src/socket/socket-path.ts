import { lstat, unlink } from 'node:fs/promises';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { FetchServiceError, messageOf, systemCode } from '../errors.js';

/** Where the seed has its socket. specs/fetch-service.md §6.3 */
export function defaultSocketPath(): string {
  return join(tmpdir(), 'fetchctl.socket');
}

const probeTimeoutMs = 2_000;
/** `sun_path` without its final zero byte; nobody can connect to a longer name. */
const maxPathBytes = process.platform === 'linux' ? 107 : 103;

/**
 * Makes a path free for our socket: what a dead daemon of ours left is removed. The default lies in a folder where everybody
 * may write, so nothing else is ever removed or followed.
 * @throws FetchServiceError FETCH_SOCKET_IN_USE, FETCH_SOCKET_REFUSED
 */
export async function clearSocketPath(path: string): Promise<void> {
  if (Buffer.byteLength(path) > maxPathBytes)
    throw refused(path, `is longer than the ${maxPathBytes} bytes of a socket's name`);
  const found = await lstat(path).catch((cause: unknown) => {
    if (systemCode(cause) === 'ENOENT') return undefined;
    throw refused(path, messageOf(cause), cause);
  });
  if (!found) return;
  if (!found.isSocket()) throw refused(path, found.isSymbolicLink() ? 'is a symbolic link' : 'is not a socket');
  if (found.uid !== process.getuid?.()) throw refused(path, `belongs to another user (uid ${found.uid})`);
  if (await isAnswered(path)) {
    throw new FetchServiceError('FETCH_SOCKET_IN_USE', `another fetch-service answers on ${path}`, {
      hint: 'stop it, or give this one a socket of its own with --socket=PATH',
    });
  }
  await unlink(path);
}

function isAnswered(path: string): Promise<boolean> {
  const { promise, resolve, reject } = Promise.withResolvers<boolean>();
  const socket = connect(path);
  socket.setTimeout(probeTimeoutMs);
  const end = (isLive: boolean) => {
    socket.destroy();
    resolve(isLive);
  };
  socket.once('connect', () => end(true));
  // Somebody listens but does not accept: a daemon that is busy, not one that is gone.
  socket.once('timeout', () => end(true));
  socket.once('error', (cause) => {
    const code = systemCode(cause);
    if (code === 'ECONNREFUSED' || code === 'ENOENT') end(false);
    else reject(refused(path, messageOf(cause), cause));
  });
  return promise;
}

function refused(path: string, found: string, cause?: unknown): FetchServiceError {
  return new FetchServiceError('FETCH_SOCKET_REFUSED', `the control socket cannot be made: ${path} ${found}`, {
    hint: 'remove it, or name another path with --socket=PATH',
    ...(cause === undefined ? {} : { cause }),
  });
}
