import type { Violation } from './history.js';

/** Files of a spool that are there to stay; everything else is on its way and has to go. */
const kept = [
  /^\.waybill\/lock$/,
  /^\.waybill\/blobs\/(slots\/\d+\/)?(lock|format|clean)$/,
  /^\.waybill\/blobs\/(slots\/\d+\/)?packs\/\d{8,10}\.[0-9a-f]{16}\.(seg|idx)$/,
  /^\.waybill\/blobs\/(?:slots\/\d+\/)?files\/([0-9a-f]{2})\/\1[0-9a-f]{62}$/,
  /^\.waybill\/answers$/,
  /^\.waybill\/derived\/[0-9a-f]{64}$/,
  /^\.waybill\/sessions\.db(-wal|-shm)?$/,
  /^\.waybill\/ca\/root-ca(\.key)?\.pem$/,
  /^[0-9a-f]{32}\/(session\.json|assets\/[0-9a-f]{64}\.(json|data))$/,
];

/** Goes with the first file that is written there after the one that left it: some, never many. */
const lingering = /^\.waybill\/derived\/[0-9a-f]{64}\.[\w-]+\.part$/;
const mostLingering = 8;

/** Files of the directory with the runtime file and the control socket. */
const keptAtRun = [/^fetch-service\.json$/, /^fetchctl\.socket$/];

/** Ending a session was interrupted: it goes when that is done again, or when its time is over. */
const interrupted = /^[0-9a-f]{32}\/\.assets\.\d+-[0-9a-f]+\/[0-9a-f]{64}\.(json|data(\.[\w-]+\.part)?)$/;

export type Place = 'spool' | 'run' | 'tmp';

/** Paths that are no part of any state; an index of a segment that is gone is not either. */
export function passing(place: Place, paths: readonly string[]): string[] {
  const patterns = { spool: kept, run: keptAtRun, tmp: [] }[place];
  const all = new Set(paths);
  const isOrphan = (path: string) => path.endsWith('.idx') && !all.has(path.replace(/idx$/, 'seg'));
  return paths.filter((path) => isOrphan(path) || ![...patterns, lingering].some((pattern) => pattern.test(path)));
}

/**
 * What a killed process left half done is gone once the next one is ready: otherwise it piles up, kill after kill.
 * @param before listing while no process ran
 * @param after listing when the next one was ready
 */
export function checkLeftovers(place: Place, before: readonly string[], after: readonly string[]): Violation[] {
  const still = new Set(after);
  return passing(place, before)
    .filter((path) => still.has(path) && !interrupted.test(path))
    .map((path) => ({ rule: 'leftover', text: `${place}: ${path} outlived the process that left it` }));
}

/** With all sessions over and nothing under way, nothing but state is there. */
export function checkResting(place: Place, paths: readonly string[]): Violation[] {
  const slow = paths.filter((path) => lingering.test(path));
  if (slow.length > mostLingering)
    return [{ rule: 'leftover', text: `${place}: ${slow.length} files on their way pile up, as ${slow[0]}` }];
  return passing(place, paths).map((path) => ({ rule: 'leftover', text: `${place}: ${path} belongs to nothing` }));
}
