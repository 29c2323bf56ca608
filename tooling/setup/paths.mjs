import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';

/** The checkout; everything set-up writes lies in its git-ignored `.waybill/`, `node_modules/` and `dist/`. */
export const root = resolve(dirname(fileURLToPath(import.meta.url)), '..', '..');
export const stateDir = join(root, '.waybill');
export const toolchainDir = join(stateDir, 'toolchain');
export const binDir = join(toolchainDir, 'bin');
