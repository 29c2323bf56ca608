import { mkdir, readFile } from 'node:fs/promises';
import { applyClientSetup, createClientSetup } from '@waybill/client-setup';
import { keepForTest } from './keep.js';
import { networkEnv } from './live.js';
import { type Ran, run } from './run.js';
import type { Session } from './session.js';
import { createTempDir } from './temp-dir.js';

/** A directory in which clients use a session as `client-setup` prepares them: the machine's settings, nothing of its caches. */
export interface PreparedClient {
  readonly dir: string;
  /** With the session's credentials. */
  readonly proxyUrl: string;
  run(command: string, ...args: string[]): Promise<Ran>;
}

export async function prepareClient(session: Session): Promise<PreparedClient> {
  const dir = keepForTest(await createTempDir());
  const work = dir.at('work');
  await mkdir(work);
  const { HOME, PATH, RUSTUP_HOME } = process.env;
  const hostEnv = { HOME, PATH, ...networkEnv(), RUSTUP_HOME: RUSTUP_HOME ?? `${HOME}/.rustup` };
  const setup = await createClientSetup({
    proxyUrl: session.proxyUrl,
    caPem: await readFile(session.caFile, 'utf8'),
    dir: dir.at('clients'),
    hostEnv,
  });
  const env = applyClientSetup(hostEnv, setup);
  return {
    dir: work,
    proxyUrl: session.proxyUrl,
    run: (command, ...args) => run(command, args, { cwd: work, env, timeoutMs: 240_000 }),
  };
}
