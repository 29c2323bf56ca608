import { mkdir } from 'node:fs/promises';
import { applyClientSetup, createClientSetup } from '@waybill/client-setup';
import { createBubblewrapEnvironment } from '../environments/bubblewrap.js';
import { bubblewrapProblem } from '../environments/detect.js';
import type { BuildEnvironment } from '../environments/environment.js';
import { createHostEnvironment } from '../environments/host.js';
import type { WorkLayout } from '../project/work-layout.js';
import type { BuildSession } from '../session/session.js';
import { carriedVariables } from './carried-variables.js';
import { toolchains } from './toolchains.js';
import { type UserSettings, userSettings } from './user-settings.js';

/** Which kind of environment a build gets, and why not the better one. */
export interface EnvironmentChoice {
  readonly kind: 'bubblewrap' | 'host';
  /** Why it is not bubblewrap; `undefined` when it is, or when the user wanted the host. */
  readonly problem?: string | undefined;
}

/** Bubblewrap where it works, unless the user wants to build on the host. */
export async function chooseEnvironment(destructive: boolean): Promise<EnvironmentChoice> {
  if (destructive) return { kind: 'host' };
  const problem = await bubblewrapProblem();
  return problem === undefined ? { kind: 'bubblewrap' } : { kind: 'host', problem };
}

const noSettings: UserSettings = { readable: [], env: {} };

/** An environment with the variables that every command in it gets. */
export interface OpenEnvironment {
  readonly environment: BuildEnvironment;
  readonly baseEnv: Readonly<Record<string, string>>;
}

/** What an environment is opened with. */
export interface EnvironmentOptions {
  readonly kind: 'bubblewrap' | 'host';
  readonly layout: WorkLayout;
  /** Local directories that git fetches from. */
  readonly repositories: readonly string[];
  readonly session: BuildSession | undefined;
  /** Directories that the build must not see, beside those of its session. */
  readonly hide?: readonly string[] | undefined;
  readonly env: Readonly<NodeJS.ProcessEnv>;
  readonly onTraffic: (traffic: { readonly requests: number; readonly bytes: number }) => void;
}

/**
 * Opens a build environment and prepares its clients for the session. The build starts from few variables of the caller:
 * a session must not depend on the rest, and none may lead around it.
 * @throws CraftError CRAFT_ENVIRONMENT_UNAVAILABLE, ClientSetupError
 */
export async function openEnvironment(options: EnvironmentOptions): Promise<OpenEnvironment> {
  const { layout, session, onTraffic } = options;
  for (const directory of layout.writable) await mkdir(directory, { recursive: true });
  const sessionProxyUrl = session?.proxyUrl;
  const user = session || options.kind === 'host' ? noSettings : userSettings(options.env);
  const tools = toolchains(options.env);
  const environment =
    options.kind === 'host'
      ? await createHostEnvironment({ sessionProxyUrl, onTraffic })
      : await createBubblewrapEnvironment({
          sessionProxyUrl,
          writable: layout.writable,
          readable: [layout.project, ...options.repositories, ...user.readable, ...tools.readable],
          hide: [...(session?.hide ?? []), ...(options.hide ?? [])],
          onTraffic,
        });
  try {
    return { environment, baseEnv: { ...tools.env, ...(await baseEnvironment(environment, options)), ...user.env } };
  } catch (error) {
    await environment.close();
    throw error;
  }
}

async function baseEnvironment(
  environment: BuildEnvironment,
  { layout, session, env }: EnvironmentOptions,
): Promise<Record<string, string>> {
  const ownHome = session !== undefined || environment.kind === 'bubblewrap' || env.HOME === undefined;
  const base = {
    ...carriedVariables(env, session !== undefined),
    HOME: ownHome ? layout.home : (env.HOME ?? layout.home),
    TMPDIR: layout.tmp,
  };
  if (!session) return base;
  const setup = await createClientSetup({
    proxyUrl: environment.proxyUrl,
    caPem: session.caPem,
    dir: layout.clients,
    hostEnv: env,
  });
  return applyClientSetup(base, setup);
}
