import { accessSync, constants, statSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { CraftError } from '../errors.js';

/** How the daemon's program is called: program and first arguments. */
export type DaemonProgram = readonly [string, ...string[]];

/**
 * Finds the fetch service: WAYBILL_FETCH_SERVICE (a program, or a file that Node runs), the checkout that this craft lies in,
 * then PATH.
 * @throws CraftError CRAFT_DAEMON_MISSING
 */
export function findDaemonProgram(env: Readonly<NodeJS.ProcessEnv>): DaemonProgram {
  const named = env.WAYBILL_FETCH_SERVICE;
  if (named) {
    if (/\.[cm]?[jt]s$/.test(named) && isFile(named)) return [process.execPath, named];
    if (isProgram(named)) return [named];
    throw new CraftError('CRAFT_DAEMON_MISSING', `WAYBILL_FETCH_SERVICE names ${named}, which is not a program`, {
      hint: 'name the fetch-service program, or unset the variable',
    });
  }
  const candidates = [
    ...checkoutLaunchers(),
    ...(env.PATH ?? '')
      .split(delimiter)
      .filter(Boolean)
      .map((directory) => join(directory, 'fetch-service')),
  ];
  const found = candidates.find(isProgram);
  if (found) return [found];
  throw new CraftError('CRAFT_DAEMON_MISSING', 'there is no fetch-service program', {
    hint: 'install @waybill/fetch-service so that fetch-service is on PATH, or name it with WAYBILL_FETCH_SERVICE',
  });
}

/** `tooling/bin` of the checkout, from wherever this file lies in it (source or bundle). */
function checkoutLaunchers(): string[] {
  const here = fileURLToPath(import.meta.url);
  return [3, 4].map((levels) =>
    join(here, ...Array.from({ length: levels + 1 }, () => '..'), 'tooling/bin/fetch-service'),
  );
}

function isFile(path: string): boolean {
  return statSync(path, { throwIfNoEntry: false })?.isFile() ?? false;
}

function isProgram(path: string): boolean {
  if (!isFile(path)) return false;
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}
