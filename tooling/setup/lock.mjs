import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { SetupError, say } from './fail.mjs';
import { stateDir } from './paths.mjs';

const waitMs = 15 * 60_000;

/** Runs `action` while no other set-up works on this checkout. A lock whose process is gone is taken over. */
export async function withLock(action) {
  mkdirSync(stateDir, { recursive: true });
  const file = join(stateDir, 'setup.lock');
  const deadline = Date.now() + waitMs;
  let isToldToWait = false;
  while (!take(file)) {
    if (!isToldToWait) say('another set-up is running in this checkout, waiting for it');
    isToldToWait = true;
    if (Date.now() > deadline) {
      throw new SetupError('another set-up has been running for 15 minutes.', `If there is none, remove '${file}'.`);
    }
    await sleep(250);
  }
  const release = () => rmSync(file, { force: true });
  process.once('exit', release);
  try {
    return await action();
  } finally {
    process.removeListener('exit', release);
    release();
  }
}

function take(file) {
  try {
    writeFileSync(file, `${process.pid}\n`, { flag: 'wx' });
    return true;
  } catch (error) {
    if (error.code !== 'EEXIST') throw error;
  }
  if (!isOwnerGone(file)) return false;
  rmSync(file, { force: true });
  return false;
}

function isOwnerGone(file) {
  try {
    const pid = Number(readFileSync(file, 'utf8'));
    // An empty file belongs to a process between creating and writing it.
    if (!pid) return false;
    process.kill(pid, 0);
    return false;
  } catch (error) {
    return error.code === 'ESRCH';
  }
}
