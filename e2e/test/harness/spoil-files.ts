import { readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';

/**
 * Changes every place below a directory that holds some bytes, as a bad disk or a bad person would.
 * @returns how many files were changed
 */
export async function spoilFiles(directory: string, bytes: Uint8Array): Promise<number> {
  let changed = 0;
  for (const entry of await readdir(directory, { withFileTypes: true, recursive: true })) {
    if (!entry.isFile()) continue;
    const file = join(entry.parentPath, entry.name);
    const content = await readFile(file);
    const at = content.indexOf(bytes);
    if (at < 0) continue;
    content[at] = (content[at] ?? 0) ^ 1;
    // In place: what has the file open sees it too.
    await writeFile(file, content, { flag: 'r+' });
    changed++;
  }
  return changed;
}
