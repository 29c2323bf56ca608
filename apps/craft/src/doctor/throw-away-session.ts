import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Progress } from '../output/progress.js';
import { waybillDirectories } from '../session/directories.js';
import { openManagedSession } from '../session/managed.js';
import { isAlive, readRuntimeFile } from '../session/runtime-file.js';
import type { BuildSession } from '../session/session.js';
import type { DoctorOrigin } from './doctor-origin.js';

/** What a throw-away session is made of. */
export interface ThrowAwayOptions {
  /** Empty directory for everything of the service. */
  readonly dir: string;
  readonly origin: DoctorOrigin;
  readonly env: Readonly<NodeJS.ProcessEnv>;
  readonly progress: Progress;
  readonly signal: AbortSignal;
}

const stopMs = 15_000;

/**
 * A permissive session of a service of its own, whose only upstream is the origin: the machine's service, its configuration and
 * its records are not touched, and what the clients themselves do decides the verdict.
 * @throws CraftError CRAFT_DAEMON_*
 */
export async function openThrowAwaySession(
  options: ThrowAwayOptions,
): Promise<{ readonly session: BuildSession; close(): Promise<void> }> {
  const { dir, origin } = options;
  const config = join(dir, 'config', 'waybill');
  await mkdir(config, { recursive: true });
  await mkdir(join(dir, 'run'), { mode: 0o700 });
  await writeFile(join(dir, 'origin.pem'), origin.caPem);
  await writeFile(join(config, 'inspectors.yaml'), '{}\n');
  // One client wants a name that it can resolve; where it leads is of no matter behind the origin's proxy.
  await writeFile(
    join(config, 'acl.yaml'),
    'http-proxy:\n  policy: allow\n  rules:\n    - dst: [127.0.0.0/8, "::1"]\n      access: allow\n',
  );
  const env: NodeJS.ProcessEnv = {
    ...withoutProxies(options.env),
    XDG_CONFIG_HOME: join(dir, 'config'),
    XDG_STATE_HOME: join(dir, 'state'),
    WAYBILL_RUNTIME_DIR: join(dir, 'run'),
    HTTP_PROXY: origin.url,
    HTTPS_PROXY: origin.url,
    NODE_EXTRA_CA_CERTS: join(dir, 'origin.pem'),
  };
  const directories = waybillDirectories(env);
  const stop = () => stopDaemon(directories.runtimeFile);
  try {
    const session = await openManagedSession({
      policy: 'permissive',
      inspectors: undefined,
      directories,
      env,
      progress: options.progress,
      signal: options.signal,
    });
    return {
      session,
      async close() {
        await session.finish().catch(() => undefined);
        await session.discard();
        await stop();
      },
    };
  } catch (error) {
    await stop();
    throw error;
  }
}

function withoutProxies(env: Readonly<NodeJS.ProcessEnv>): NodeJS.ProcessEnv {
  return Object.fromEntries(Object.entries(env).filter(([name]) => !/^(?:https?|all|no)_proxy$/i.test(name)));
}

/** Nobody else knows the runtime file, so whoever it names is ours. */
async function stopDaemon(runtimeFile: string): Promise<void> {
  const runtime = await readRuntimeFile(runtimeFile).catch(() => undefined);
  if (!runtime || !isAlive(runtime.pid)) return;
  process.kill(runtime.pid, 'SIGTERM');
  const deadline = Date.now() + stopMs;
  while (isAlive(runtime.pid) && Date.now() < deadline) await sleep(50);
  if (isAlive(runtime.pid)) process.kill(runtime.pid, 'SIGKILL');
}
