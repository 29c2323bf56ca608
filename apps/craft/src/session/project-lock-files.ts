import { open } from 'node:fs/promises';
import { join } from 'node:path';
import { type InspectorsConfigInput, lockFileTypeOf, lockFileTypes } from '@waybill/contracts';
import { CraftError } from '../errors.js';

/** Of all of them: the service takes requests of 8 MiB, and escapes make text longer. */
const maxBytes = 6 << 20;

/**
 * Reads the lock files that the project names, so that what they pin is approved by them.
 * @throws CraftError CRAFT_PROJECT_INVALID
 */
export async function readProjectLockFiles(
  project: string,
  names: readonly string[],
): Promise<NonNullable<InspectorsConfigInput['lock-files']>> {
  const files: { name: string; content: string }[] = [];
  let left = maxBytes;
  for (const name of names) {
    if (lockFileTypeOf(name) === undefined) {
      throw new CraftError('CRAFT_PROJECT_INVALID', `lock-files: ${name} is no lock file that is known`, {
        hint: `known are ${lockFileTypes.join(', ')}, told by their usual names`,
      });
    }
    const content = await readUpTo(join(project, name), name, left);
    left -= Buffer.byteLength(content);
    files.push({ name, content });
  }
  return files;
}

async function readUpTo(path: string, name: string, bytes: number): Promise<string> {
  const file = await open(path).catch((cause: Error) => {
    throw new CraftError('CRAFT_PROJECT_INVALID', `lock-files: cannot read ${name}: ${cause.message}`, { cause });
  });
  try {
    const info = await file.stat();
    if (!info.isFile()) throw new CraftError('CRAFT_PROJECT_INVALID', `lock-files: ${name} is no file`);
    if (info.size > bytes) {
      throw new CraftError('CRAFT_PROJECT_INVALID', `lock-files: with ${name} there are more than ${maxBytes} bytes`, {
        hint: 'leave the largest one out: its packages are then approved by their indexes',
      });
    }
    return await file.readFile('utf8');
  } finally {
    await file.close();
  }
}
