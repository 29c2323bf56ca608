import { join } from 'node:path';
import type { Chance } from './chance.js';
import type { ChaosDaemon } from './daemon.js';
import { databaseFaults, digestsBelow } from './disk.js';

/** Something that was broken on purpose. */
export interface Damage {
  /** For people. */
  readonly what: string;
  /** Makes it whole again; the daemon has to go on by itself then. */
  mend(): Promise<void>;
}

/** Where a daemon keeps its records and bodies, seen from outside. */
export interface Ground {
  /** What is wrong with the records; asked while no daemon runs. */
  recordFaults(): Promise<string[]>;
  /** How long bodies that nobody refers to may stay after a start; undefined: longer than a test wants to wait. Milliseconds. */
  readonly sweepMs: number | undefined;
  /** Bodies with a file of their own: sha256 that the name says → sha256 of the bytes. */
  bodies(): Promise<ReadonlyMap<string, string>>;
  /** Breaks something. Absent: it is always in order. */
  strike?(chance: Chance): Promise<Damage>;
}

/** SQLite and files in the spool. */
export function spoolGround(daemon: ChaosDaemon): Ground {
  const state = join(daemon.spool, '.waybill');
  return {
    sweepMs: 20_000,
    recordFaults: () => databaseFaults(join(state, 'sessions.db')),
    async bodies() {
      // Several processes have a directory each.
      const files = await digestsBelow(join(state, 'blobs'));
      const bodies = [...files].flatMap(([path, sha256]) => {
        const name = /(?:^|\/)files\/[0-9a-f]{2}\/([0-9a-f]{64})$/.exec(path)?.[1];
        return name === undefined ? [] : [[name, sha256] as const];
      });
      return new Map(bodies);
    },
  };
}
