import { open } from 'node:fs/promises';
import { join } from 'node:path';
import { walkTree } from '../files/walk-tree.js';

const chunkBytes = 1 << 18;

/**
 * Whether a file or link of a tree names a directory: what was installed then works only there. Looks at bytes as they lie;
 * what is compressed is not seen.
 */
export async function namesDirectory(root: string, directory: string): Promise<boolean> {
  const needle = Buffer.from(directory);
  for (const entry of await walkTree(root)) {
    if (entry.kind === 'symlink' && entry.target?.includes(directory)) return true;
    if (entry.kind === 'file' && entry.size >= needle.length && (await fileHas(join(root, entry.path), needle))) {
      return true;
    }
  }
  return false;
}

async function fileHas(path: string, needle: Buffer): Promise<boolean> {
  const file = await open(path, 'r');
  try {
    // The end of each piece is looked at again with the next one: the text may lie across both.
    const buffer = Buffer.allocUnsafe(chunkBytes + needle.length);
    let kept = 0;
    while (true) {
      const { bytesRead } = await file.read(buffer, kept, chunkBytes);
      if (bytesRead === 0) return false;
      const filled = kept + bytesRead;
      if (buffer.subarray(0, filled).includes(needle)) return true;
      kept = Math.min(filled, needle.length - 1);
      buffer.copy(buffer, 0, filled - kept, filled);
    }
  } finally {
    await file.close();
  }
}
