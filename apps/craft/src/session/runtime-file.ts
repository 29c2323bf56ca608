import { constants } from 'node:fs';
import { open, stat } from 'node:fs/promises';
import { dirname } from 'node:path';
import { type RuntimeFile, runtimeFileSchema } from '@waybill/contracts';
import { CraftError } from '../errors.js';

const maxBytes = 65_536;

/**
 * Reads where a daemon runs. Absent and unreadable content count as "none"; a file or folder that another user controls is
 * an error, because it could lead the build's traffic and our credentials anywhere.
 * @throws CraftError CRAFT_DAEMON_UNTRUSTED
 */
export async function readRuntimeFile(path: string): Promise<RuntimeFile | undefined> {
  const file = await open(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK).catch(
    (cause: NodeJS.ErrnoException) => {
      if (cause.code === 'ELOOP') throw untrusted(path, 'it is a symbolic link');
      return undefined;
    },
  );
  if (!file) return undefined;
  try {
    const info = await file.stat();
    const folder = await stat(dirname(path));
    if (info.uid !== process.getuid?.() || folder.uid !== process.getuid?.())
      throw untrusted(path, 'it belongs to another user');
    if ((folder.mode & 0o022) !== 0) throw untrusted(path, 'others may write its folder');
    if (!info.isFile() || (info.mode & 0o077) !== 0) throw untrusted(path, 'others may read or write it');
    const { buffer, bytesRead } = await file.read(Buffer.alloc(maxBytes), 0, maxBytes, 0);
    return parse(buffer.subarray(0, bytesRead).toString('utf8'));
  } finally {
    await file.close();
  }
}

function parse(text: string): RuntimeFile | undefined {
  try {
    return runtimeFileSchema.parse(JSON.parse(text));
  } catch {
    return undefined;
  }
}

function untrusted(path: string, why: string): CraftError {
  return new CraftError('CRAFT_DAEMON_UNTRUSTED', `${path} says where a fetch service runs, but ${why}`, {
    hint: 'remove it, or set WAYBILL_RUNTIME_DIR to a directory that only you can write',
  });
}

/** Whether a process is there. */
export function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}
