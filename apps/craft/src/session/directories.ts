import { homedir, tmpdir } from 'node:os';
import { join } from 'node:path';

/** Where managed sessions keep what outlives a run. */
export interface WaybillDirectories {
  /** The daemon's spool, generated configuration and log. */
  readonly state: string;
  /** What may go at any time: the local cache of artifacts. */
  readonly cache: string;
  /** The user's own configuration. */
  readonly config: string;
  /** File by which a running daemon is found. */
  readonly runtimeFile: string;
}

/** Directories of this user, by the XDG variables. */
export function waybillDirectories(env: Readonly<NodeJS.ProcessEnv>): WaybillDirectories {
  const home = env.HOME || homedir();
  const runtime =
    env.WAYBILL_RUNTIME_DIR || env.XDG_RUNTIME_DIR || join(tmpdir(), `waybill-${process.getuid?.() ?? 0}`);
  return {
    state: join(env.XDG_STATE_HOME || join(home, '.local/state'), 'waybill'),
    cache: join(env.XDG_CACHE_HOME || join(home, '.cache'), 'waybill'),
    config: join(env.XDG_CONFIG_HOME || join(home, '.config'), 'waybill'),
    runtimeFile: join(runtime, 'waybill/fetch-service.json'),
  };
}
