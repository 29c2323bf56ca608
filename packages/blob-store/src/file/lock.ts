import { randomUUID } from 'node:crypto';
import { readFileSync, readlinkSync, unlinkSync } from 'node:fs';
import { link, readdir, readFile, rename, rm, stat, utimes, writeFile } from 'node:fs/promises';
import { hostname } from 'node:os';
import { basename, dirname, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { BlobStoreError, storageError, systemCode } from '../errors.js';

/** Who holds a directory. */
interface Holder {
  readonly nonce: string;
  readonly pid: number;
  /** Start time of the process in the machine's own counting: a recycled pid differs in it. */
  readonly started: string;
  /** Machine, boot and pid namespace: only within the same one does a pid mean anything to us. */
  readonly scope: string;
  /** Held only to tidy up, for moments. */
  readonly isSweeping?: boolean;
}

/** How a lock is taken. */
export interface LockOptions {
  /** How often the holder shows a sign of life. Milliseconds, default 2 000. */
  readonly beatMs?: number;
  /** Whether to find out patiently if a holder that cannot be asked is gone, and to wait for one who sweeps. Default true. */
  readonly isPatient?: boolean;
  /** Whether the lock is taken only to tidy up behind a process that is gone. */
  readonly isSweeping?: boolean;
}

/** A held lock. */
export interface DirectoryLock {
  /** Whether the lock was taken from us (the process was stopped for long and taken for dead). */
  readonly lost: boolean;
  release(): Promise<void>;
}

const beatMs = 2_000;
/** Stands between the name of the lock and that of a file which is to become it. */
const claimMark = '.claim-';
/** Longest wait for somebody who sweeps, in steps of 100 ms. */
const sweepSteps = 600;

/**
 * Takes the lock file of a directory, so that two processes never append to the same segments. A lock of a process that
 * is gone is taken over at once; one from another container or machine when its holder shows no sign of life for
 * three beats.
 * @throws BlobStoreError BLOB_LOCKED, BLOB_STORAGE_FAILED, BLOB_STORAGE_FULL
 */
export async function lockDirectory(path: string, options: LockOptions = {}): Promise<DirectoryLock> {
  const self: Holder = {
    nonce: randomUUID(),
    pid: process.pid,
    started: startOf(process.pid) ?? '',
    scope: scope(),
    ...(options.isSweeping && { isSweeping: true }),
  };
  const { beatMs: beat = beatMs, isPatient = true } = options;
  let waits = isPatient ? sweepSteps : 0;
  try {
    for (let attempt = 0; attempt < 5; attempt++) {
      if (await claim(path, self)) {
        await clearRemains(path);
        return hold(path, self, beat);
      }
      const holder = await readHolder(path);
      if (holder && (await isAlive(path, holder, { beat, isPatient }))) {
        if (!holder.isSweeping || waits-- <= 0) throw lockedError(path, holder);
        await sleep(100);
        attempt--;
      } else await takeAway(path, holder);
    }
  } catch (error) {
    throw storageError(error, 'lock', path);
  }
  throw new BlobStoreError('BLOB_LOCKED', `${path} changes hands too quickly: several processes are opening it`);
}

/** `link` either makes the complete lock file or fails: nobody sees half of it. */
async function claim(path: string, self: Holder): Promise<boolean> {
  const own = `${path}${claimMark}${self.nonce}`;
  await writeFile(own, JSON.stringify(self), { mode: 0o600 });
  try {
    await link(own, path);
    return true;
  } catch (error) {
    // Without the file of our own: the holder tidied up meanwhile, and so there is one.
    if (systemCode(error) === 'EEXIST' || systemCode(error) === 'ENOENT') return false;
    throw error;
  } finally {
    await rm(own, { force: true });
  }
}

/**
 * Removes what processes that were killed while they took the lock left beside it. Claims go whoever made them: with the lock
 * held they come to nothing. A lock that somebody moved aside goes when its holder is gone; it may be on its way back otherwise.
 */
async function clearRemains(path: string): Promise<void> {
  const name = basename(path);
  for (const other of await readdir(dirname(path))) {
    if (!other.startsWith(`${name}.`)) continue;
    const remains = join(dirname(path), other);
    const holder = other.startsWith(`${name}${claimMark}`)
      ? undefined
      : await readHolder(remains).catch(() => undefined);
    const isGone = !holder || (holder.scope === scope() && startOf(holder.pid) !== holder.started);
    if (isGone) await rm(remains, { force: true }).catch(() => undefined);
  }
}

async function readHolder(path: string): Promise<Holder | undefined> {
  try {
    const value = JSON.parse(await readFile(path, 'utf8')) as Partial<Holder> | null;
    return typeof value?.pid === 'number' && typeof value.nonce === 'string' ? (value as Holder) : undefined;
  } catch (error) {
    if (error instanceof SyntaxError || systemCode(error) === 'ENOENT') return undefined;
    throw error;
  }
}

async function isAlive(
  path: string,
  holder: Holder,
  { beat, isPatient }: { readonly beat: number; readonly isPatient: boolean },
): Promise<boolean> {
  if (holder.scope === scope()) {
    const started = startOf(holder.pid);
    return started !== undefined && started === holder.started;
  }
  const before = await beatOf(path);
  if (!isPatient) return before !== undefined && Date.now() - before < 3 * beat;
  for (let waited = 0; waited < 3; waited++) {
    await sleep(beat);
    const now = await beatOf(path);
    if (now === undefined) return false;
    if (now !== before) return true;
  }
  return false;
}

async function beatOf(path: string): Promise<number | undefined> {
  return await stat(path).then(
    (found) => found.mtimeMs,
    () => undefined,
  );
}

/** Moves a dead holder's lock away; when another process was quicker and the moved lock is a living one, puts it back. */
async function takeAway(path: string, dead: Holder | undefined): Promise<void> {
  const aside = `${path}.${randomUUID()}`;
  try {
    await rename(path, aside);
  } catch (error) {
    if (systemCode(error) === 'ENOENT') return;
    throw error;
  }
  const moved = await readHolder(aside);
  if (moved && moved.nonce !== dead?.nonce) await link(aside, path).catch(() => undefined);
  await rm(aside, { force: true });
}

function hold(path: string, self: Holder, beat: number): DirectoryLock {
  let lost = false;
  let released = false;
  const timer = setInterval(async () => {
    if (released) return;
    const holder = await readHolder(path).catch(() => self);
    if (!released && holder?.nonce !== self.nonce) lost = true;
    const now = new Date();
    if (!lost) await utimes(path, now, now).catch(() => undefined);
  }, beat);
  timer.unref();
  // Leaves no lock behind when the process ends without closing the store.
  const onExit = () => {
    if (!lost && !released) unlinkSync(path);
  };
  process.once('exit', onExit);
  return {
    get lost() {
      return lost;
    },
    async release() {
      if (released) return;
      released = true;
      clearInterval(timer);
      process.off('exit', onExit);
      const holder = await readHolder(path);
      if (holder?.nonce === self.nonce) await rm(path, { force: true });
    },
  };
}

function lockedError(path: string, holder: Holder): BlobStoreError {
  const place =
    holder.scope === scope()
      ? `process ${holder.pid}`
      : `process ${holder.pid} in another container or on another machine`;
  return new BlobStoreError('BLOB_LOCKED', `the directory is in use by ${place} (${path})`, {
    hint: 'stop that process, or give this one a directory of its own',
  });
}

/** Start time of a live process, undefined when there is none. */
function startOf(pid: number): string | undefined {
  try {
    const text = readFileSync(`/proc/${pid}/stat`, 'utf8');
    // Field 22, counted after the command name, which may hold blanks and parentheses. proc_pid_stat(5)
    const fields = text.slice(text.lastIndexOf(')') + 2).split(' ');
    return fields[0] === 'Z' || fields[0] === 'X' ? undefined : fields[19];
  } catch {
    return process.platform === 'linux' ? undefined : signalledStart(pid);
  }
}

/** Without /proc only the pid itself can be asked. */
function signalledStart(pid: number): string | undefined {
  try {
    process.kill(pid, 0);
    return '';
  } catch (error) {
    return systemCode(error) === 'EPERM' ? '' : undefined;
  }
}

let ownScope: string | undefined;

function scope(): string {
  ownScope ??= [
    hostname(),
    quietly(() => readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim()),
    quietly(() => readlinkSync('/proc/self/ns/pid')),
  ].join(' ');
  return ownScope;
}

function quietly(read: () => string): string {
  try {
    return read();
  } catch {
    return '';
  }
}
