import { writeFile } from 'node:fs/promises';
import { Session } from 'node:inspector/promises';
import { join } from 'node:path';
import { makeDirectory } from '../files/make-directory.js';

/**
 * Takes a CPU profile of this process from now on.
 * @param directory undefined = nothing to do
 * @returns writes it to `<directory>/fetch-service-<pid>.cpuprofile`
 */
export async function recordProfile(directory: string | undefined): Promise<() => Promise<void>> {
  if (directory === undefined) return async () => {};
  await makeDirectory(directory, 0o700);
  const session = new Session();
  session.connect();
  await session.post('Profiler.enable');
  await session.post('Profiler.start');
  return async () => {
    const { profile } = await session.post('Profiler.stop');
    session.disconnect();
    await writeFile(join(directory, `fetch-service-${process.pid}.cpuprofile`), JSON.stringify(profile), {
      mode: 0o600,
    });
  };
}
