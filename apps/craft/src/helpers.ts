import { fileURLToPath } from 'node:url';
import type { Helpers } from './lifecycle/context.js';

/** Our programs that run inside build environments, beside this file: built (`.js`) or, in tests, as source (`.ts`). */
export function findHelpers(): Helpers {
  const extension = import.meta.url.endsWith('.ts') ? 'ts' : 'js';
  return {
    node: process.execPath,
    download: fileURLToPath(new URL(`./helpers/download.${extension}`, import.meta.url)),
  };
}
