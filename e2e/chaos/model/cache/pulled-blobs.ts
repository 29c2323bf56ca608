import type { Violation } from '../history.js';
import type { CacheHistory } from './history.js';

/** Wrong bytes are never served, and what an entry that was found needs is there, also after a restart (promise 10). */
export function checkBlobs({ pulls }: CacheHistory): Violation[] {
  return pulls.flatMap(({ namespace, key, begun, ended, blobs }) =>
    blobs.flatMap(({ sha256, outcome, note = '' }) => {
      const what = `${namespace} ${key} (moments ${begun}–${ended}): blob ${sha256}`;
      if (outcome === 'wrong')
        return [{ rule: 'wrong-bytes', text: `${what} came whole and is not what its name says` }];
      if (outcome === 'missing')
        return [{ rule: 'entry-incomplete', text: `${what} is missing, and the name was given: ${note}` }];
      return [];
    }),
  );
}
