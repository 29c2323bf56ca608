import { mkdir, readdir, symlink } from 'node:fs/promises';
import { delimiter, join } from 'node:path';

/** Makes a directory for `PATH` with links to every program that PATH has, but one: a machine without it. */
export async function linkProgramsWithout(name: string, directory: string): Promise<void> {
  await mkdir(directory);
  const known = new Set([name]);
  for (const from of (process.env.PATH ?? '').split(delimiter)) {
    for (const program of await readdir(from).catch(() => [])) {
      if (known.has(program)) continue;
      known.add(program);
      await symlink(join(from, program), join(directory, program));
    }
  }
}
