import { mkdir, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { RuntimeFile } from '@waybill/contracts';
import type { ControlClient } from './control-client.js';
import { isAlive } from './runtime-file.js';

/** Sessions end by themselves long before, whoever has forgotten them. */
const keptMs = 7 * 24 * 60 * 60_000;

/** What is written down of a session while a run uses it. */
interface Note {
  readonly pid: number;
  /** Which service has it: each spool has a root certificate of its own. */
  readonly caSha256: string;
}

/** A service that runs. */
export interface Service {
  readonly runtime: RuntimeFile;
  readonly client: Pick<ControlClient, 'endSession' | 'deleteResources'>;
}

/**
 * Writes down that this run uses a session, so that {@link discardLeftSessions} of a later one can tell when this one was
 * killed. Never throws: without the note the session ends by its time-out. Returns how to take it back.
 */
export async function noteSession(state: string, id: string, runtime: RuntimeFile): Promise<() => Promise<void>> {
  const directory = join(state, 'sessions');
  const path = join(directory, id);
  const note: Note = { pid: process.pid, caSha256: runtime['ca-sha256'] };
  try {
    await mkdir(directory, { recursive: true, mode: 0o700 });
    await writeFile(path, JSON.stringify(note), { mode: 0o600 });
  } catch {
    // A full disk will be noticed where it matters.
  }
  return () => rm(path, { force: true }).catch(() => {});
}

/**
 * Ends and deletes the sessions of runs that were killed: nobody will read their reports, and while they are open the service
 * keeps what they downloaded and never becomes idle. Never throws; what fails now is tried by the next run.
 */
export async function discardLeftSessions(state: string, { runtime, client }: Service): Promise<void> {
  const directory = join(state, 'sessions');
  for (const id of await readdir(directory).catch(() => [])) {
    const path = join(directory, id);
    const note = await readNote(path);
    const isOurs = note !== undefined && !isAlive(note.pid) && note.caSha256 === runtime['ca-sha256'];
    // Torn, or of a service that is not there any more.
    const isForgotten = (note === undefined || !isAlive(note.pid)) && (await ageOf(path)) > keptMs;
    if (isForgotten || (isOurs && (await isDiscarded(client, id)))) await rm(path, { force: true }).catch(() => {});
  }
}

async function isDiscarded(client: Service['client'], id: string): Promise<boolean> {
  // Unknown when its time was over, or when the killed run had come so far.
  await client.endSession(id).catch(() => {});
  return client.deleteResources(id).then(
    () => true,
    () => false,
  );
}

async function readNote(path: string): Promise<Note | undefined> {
  try {
    const { pid, caSha256 } = JSON.parse(await readFile(path, 'utf8')) as Partial<Note>;
    return typeof pid === 'number' && typeof caSha256 === 'string' ? { pid, caSha256 } : undefined;
  } catch {
    return undefined;
  }
}

async function ageOf(path: string): Promise<number> {
  return stat(path).then(
    ({ mtimeMs }) => Date.now() - mtimeMs,
    () => 0,
  );
}
