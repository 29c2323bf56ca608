import { randomUUID } from 'node:crypto';
import { readFileSync, readlinkSync, unlinkSync } from 'node:fs';
import { link, readFile, rename, rm, stat, utimes, writeFile } from 'node:fs/promises';
import { hostname } from 'node:os';
import { setTimeout as sleep } from 'node:timers/promises';
import { BlobStoreError, storageError, systemCode } from './errors.js';

/** Who holds a directory. */
interface Holder {
  readonly nonce: string;
  readonly pid: number;
  /** Start time of the process in the machine's own counting: a recycled pid differs in it. */
  readonly started: string;
  /** Machine, boot and pid namespace: only within the same one does a pid mean anything to us. */
  readonly scope: string;
}

/** A held lock. */
export interface DirectoryLock {
  /** Whether the lock was taken from us (the process was stopped for long and taken for dead). */
  readonly lost: boolean;
  release(): Promise<void>;
}

const beatMs = 2_000;

/**
 * Takes the lock file of a directory, so that two processes never append to the same segments. A lock of a process that
 * is gone is taken over at once; one from another container or machine when its holder shows no sign of life for
 * three beats.
 * @throws BlobStoreError BLOB_LOCKED, BLOB_STORAGE_FAILED, BLOB_STORAGE_FULL
 */
export async function lockDirectory(path: string, timings: { readonly beatMs?: number } = {}): Promise<DirectoryLock> {
  const self: Holder = { nonce: randomUUID(), pid: process.pid, started: startOf(process.pid) ?? '', scope: scope() };
  const beat = timings.beatMs ?? beatMs;
  try {
    for (let attempt = 0; attempt < 5; attempt++) {
      if (await claim(path, self)) return hold(path, self, beat);
      const holder = await readHolder(path);
      if (holder && (await isAlive(path, holder, beat))) throw lockedError(path, holder);
      await takeAway(path, holder);
    }
  } catch (error) {
    throw storageError(error, 'lock', path);
  }
  throw new BlobStoreError('BLOB_LOCKED', `${path} changes hands too quickly: several processes are opening it`);
}

/** `link` either makes the complete lock file or fails: nobody sees half of it. */
async function claim(path: string, self: Holder): Promise<boolean> {
  const own = `${path}.${self.nonce}`;
  await writeFile(own, JSON.stringify(self), { mode: 0o600 });
  try {
    await link(own, path);
    return true;
  } catch (error) {
    if (systemCode(error) === 'EEXIST') return false;
    throw error;
  } finally {
    await rm(own, { force: true });
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

async function isAlive(path: string, holder: Holder, beat: number): Promise<boolean> {
  if (holder.scope === scope()) {
    const started = startOf(holder.pid);
    return started !== undefined && started === holder.started;
  }
  const before = await beatOf(path);
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
  return new BlobStoreError('BLOB_LOCKED', `the blob directory is in use by ${place} (${path})`, {
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
