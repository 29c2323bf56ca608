import { readFileSync } from 'node:fs';

/** Version of this program, from its package. */
export const version: string = readVersion();

function readVersion(): string {
  // One level up from `dist` as well as from `src`.
  const { version: found } = JSON.parse(readFileSync(new URL('../package.json', import.meta.url), 'utf8')) as {
    version: string;
  };
  return found;
}
