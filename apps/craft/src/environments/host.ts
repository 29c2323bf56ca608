import { CraftError } from '../errors.js';
import type { BuildCommand, BuildEnvironment } from './environment.js';
import { startRelay, type Traffic } from './relay.js';
import { spawnCommand } from './spawn-command.js';

export interface HostEnvironmentOptions {
  /** The session's proxy with credentials; absent in builds without a session. */
  readonly sessionProxyUrl?: string | undefined;
  readonly onTraffic?: ((traffic: Traffic) => void) | undefined;
}

/**
 * Runs commands on this machine as they are: nothing but the environment variables leads them to the session, and nothing
 * keeps them from going around it. The relay listens on loopback so that the token itself is not in the environment; any
 * process of this user can use it while the build runs.
 */
export async function createHostEnvironment(options: HostEnvironmentOptions = {}): Promise<BuildEnvironment> {
  const relay =
    options.sessionProxyUrl === undefined
      ? undefined
      : await startRelay({
          proxyUrl: options.sessionProxyUrl,
          listen: { host: '127.0.0.1', port: 0 },
          onTraffic: options.onTraffic,
        });
  const closing = new AbortController();
  return {
    kind: 'host',
    proxyUrl: relay ? `http://127.0.0.1:${relay.port}` : '',
    async run(command: BuildCommand) {
      if (command.network === 'session' && !relay) {
        throw new CraftError(
          'CRAFT_ENVIRONMENT_UNAVAILABLE',
          `a command wants the session's network but no session is open: ${command.argv[0]}`,
        );
      }
      const { argv, env, cwd } = command;
      return await spawnCommand(command, { argv, env, cwd, closing: closing.signal });
    },
    async close() {
      closing.abort();
      await relay?.close();
    },
  };
}
