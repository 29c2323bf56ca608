import { join } from 'node:path';
import { until } from '../../test/harness/until.js';
import { entriesOf } from '../model/entries.js';
import type { Violation } from '../model/history.js';
import { checkLeftovers, checkResting, type Place } from '../model/leftovers.js';
import type { ChaosDaemon } from './daemon.js';
import { digestsBelow, filesBelow, sessionDirectories } from './disk.js';
import type { Ground } from './ground.js';
import type { Clock, KnownSession, Sessions } from './sessions.js';

const places = ['spool', 'run', 'tmp'] as const;

/** Files of every place where a daemon may leave something. */
export type Listing = Readonly<Record<Place, readonly string[]>>;

export async function listFiles(daemon: ChaosDaemon): Promise<Listing> {
  const [spool, run, tmp] = await Promise.all([
    filesBelow(daemon.spool),
    filesBelow(join(daemon.dir, 'run')),
    filesBelow(join(daemon.dir, 'tmp')),
  ]);
  return { spool, run, tmp };
}

/** What a killed process left and the next one did not take away. */
export function outlived(before: Listing, after: Listing): Violation[] {
  return places.flatMap((place) => checkLeftovers(place, before[place], after[place]));
}

export interface Closing {
  readonly daemon: ChaosDaemon;
  readonly clock: Clock;
  readonly sessions: Sessions;
  /** Whether a body may have been fetched by the proxy itself: what is told of an open session does not list all of those. */
  readonly isIndex: (sha256: string) => boolean;
  /** Kills the daemon and starts it again. */
  readonly restart: () => Promise<void>;
}

/** To the end of each session's life, with a restart in between: what is told before and after it has to be the same. */
export async function closeSessions({ daemon, clock, sessions, restart }: Closing, over: readonly KnownSession[]) {
  for (const session of over) {
    session.isOffered = false;
    await sessions.call(session, 'revoke');
    await sessions.report(session);
  }
  await restart();
  for (const session of over) {
    await sessions.report(session);
    await sessions.report(session);
    const ended = await sessions.call(session, 'end');
    await sessions.report(session);
    const isThere = await sessions.list(session);
    if (!isThere || ended !== 200) continue;
    const files = await digestsBelow(join(daemon.spool, session.id));
    const names = [...files].map(([path, sha256]) => [path.replace(/^assets\//, ''), sha256] as const);
    session.exports.push({ at: clock(), files: new Map(names) });
  }
}

/** Deletes what is kept of sessions that are over. */
export async function deleteSessions({ sessions }: Closing, over: readonly KnownSession[]): Promise<Violation[]> {
  const found: Violation[] = [];
  for (const session of over) {
    const status = await sessions.call(session, 'delete');
    if (status === 200) continue;
    found.push({ rule: 'undeletable', text: `${session.id.slice(0, 8)}: deleting answered ${status}` });
  }
  return found;
}

/** Nothing is under way: only state of the sessions that are left is there, and all of it is sound. */
export async function checkRest(
  { daemon, sessions, isIndex }: Closing,
  ground: Ground,
  left: readonly KnownSession[],
): Promise<Violation[]> {
  const isLeft = (id: string) => left.some((session) => session.id === id);
  const files = await listFiles(daemon);
  const found = places.flatMap((place) => checkResting(place, files[place]));
  const unknown = (await daemon.activeSessions()).filter((id) => !isLeft(id));
  if (unknown.length > sessions.unanswered)
    found.push({ rule: 'unknown-session', text: `${unknown.length} sessions are open that nobody asked for` });
  const needless = (await sessionDirectories(daemon.spool)).filter((id) => !isLeft(id));
  // One that was made without an answer and had little time has expired since, and its files lie there as they should.
  const strange = needless.filter((id) => !sessions.isKnown(id));
  const wrong = strange.length > sessions.unanswered ? needless : needless.filter((id) => sessions.isKnown(id));
  for (const id of wrong) found.push({ rule: 'leftover', text: `the directory of session ${id} is still there` });
  return [...found, ...(await checkBodies(ground, left, isIndex))];
}

/** Bodies that no session has any more go, and those that are there are what their names say. */
async function checkBodies(
  ground: Ground,
  left: readonly KnownSession[],
  isIndex: Closing['isIndex'],
): Promise<Violation[]> {
  // A refusal and a failure keep the body that they tell of, as when its record could not be written.
  const wanted = new Set(
    left.flatMap(({ readings }) =>
      readings
        .slice(-1)
        .flatMap(entriesOf)
        .map(({ sha256 }) => sha256),
    ),
  );
  // One that was fetched for an exchange which failed is among the responses, and those are told when a session is over.
  const isWanted = (name: string) => wanted.has(name) || (left.length > 0 && isIndex(name));
  const needless = async () => [...(await ground.bodies()).keys()].filter((name) => !isWanted(name));
  const found: Violation[] = [];
  const { sweepMs } = ground;
  const isEmpty = async () => (await needless()).length === 0;
  if (sweepMs !== undefined && !(await until('swept', isEmpty, sweepMs).catch(() => false))) {
    const names = await needless();
    found.push({ rule: 'leftover', text: `${names.length} bodies belong to no session, as ${names[0]}` });
  }
  for (const [name, sha256] of await ground.bodies()) {
    if (name !== sha256) found.push({ rule: 'body-damaged', text: `${name} has the digest ${sha256}` });
  }
  return found;
}
