import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { applyClientSetup, createClientSetup } from '@waybill/client-setup';
import { keepForTest } from './keep.js';
import { networkEnv } from './live.js';
import { type Ran, run } from './run.js';
import type { Session } from './session.js';
import { createTempDir } from './temp-dir.js';

/** A directory in which clients use a session as `client-setup` prepares them: nothing of the machine's caches. */
export interface PreparedClient {
  readonly dir: string;
  /** With the session's credentials. */
  readonly proxyUrl: string;
  /** What the clients get, variable by variable. */
  readonly env: NodeJS.ProcessEnv;
  run(command: string, ...args: string[]): Promise<Ran>;
}

export interface PreparedClientOptions {
  /** A home of its own with these files, and variables of its own; without it the machine's user is taken. */
  readonly home?: { readonly env?: NodeJS.ProcessEnv; readonly files?: Readonly<Record<string, string>> };
}

export async function prepareClient(session: Session, { home }: PreparedClientOptions = {}): Promise<PreparedClient> {
  const dir = keepForTest(await createTempDir());
  const work = dir.at('work');
  await mkdir(work);
  const { HOME, PATH, RUSTUP_HOME } = process.env;
  const common = { PATH, RUSTUP_HOME: RUSTUP_HOME ?? `${HOME}/.rustup` };
  const hostEnv = home
    ? { ...common, HOME: await makeHome(dir.at('home'), home.files ?? {}), ...home.env }
    : { ...common, HOME, ...networkEnv() };
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
    env,
    run: (command, ...args) => run(command, args, { cwd: work, env, timeoutMs: 240_000 }),
  };
}

async function makeHome(home: string, files: Readonly<Record<string, string>>): Promise<string> {
  await mkdir(home);
  for (const [path, content] of Object.entries(files)) {
    await mkdir(dirname(join(home, path)), { recursive: true });
    await writeFile(join(home, path), content);
  }
  return home;
}
