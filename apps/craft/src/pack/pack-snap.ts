import { execFile } from 'node:child_process';
import { CraftError } from '../errors.js';

/** How mksquashfs is called so that the same files give the same bytes. */
export function mksquashfsArguments(directory: string, output: string, mtime: Date): string[] {
  const time = String(Math.floor(mtime.getTime() / 1000));
  return [
    directory,
    output,
    '-noappend',
    '-comp',
    'xz',
    '-all-root',
    '-no-xattrs',
    '-no-fragments',
    '-no-progress',
    '-quiet',
    '-mkfs-time',
    time,
    '-all-time',
    time,
  ];
}

/**
 * Packs a tree as a snap.
 * @throws CraftError CRAFT_PROGRAM_MISSING, CRAFT_PACK_FAILED
 */
export function packSnap(directory: string, output: string, mtime: Date, signal: AbortSignal): Promise<void> {
  // mksquashfs refuses its time options when the environment names a time as well.
  const { SOURCE_DATE_EPOCH: _, ...env } = process.env;
  return new Promise((resolve, reject) => {
    execFile(
      'mksquashfs',
      mksquashfsArguments(directory, output, mtime),
      { env, signal, maxBuffer: 1 << 20 },
      (error, stdout, stderr) => {
        if (!error) return resolve();
        if (error.code === 'ENOENT') {
          return reject(
            new CraftError('CRAFT_PROGRAM_MISSING', 'mksquashfs is needed to pack a snap and is not installed', {
              hint: 'install squashfs-tools, or pack with `type: tar`',
              cause: error,
            }),
          );
        }
        const lines = `${stdout}${stderr}`.trim().split('\n').slice(-10);
        return reject(new CraftError('CRAFT_PACK_FAILED', 'mksquashfs failed', { details: lines, cause: error }));
      },
    );
  });
}
