import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { CraftError } from '../errors.js';
import { closeInheritedDescriptors } from './close-inherited.js';
import type { BuildCommand, BuildEnvironment } from './environment.js';
import { startRelay, type Traffic } from './relay.js';
import { mountArguments } from './sandbox-mounts.js';
import { spawnCommand } from './spawn-command.js';

export interface BubblewrapEnvironmentOptions {
  /** The session's proxy with credentials; absent in builds without a session. */
  readonly sessionProxyUrl?: string | undefined;
  /** Host directories that the build may write; they must exist. */
  readonly writable: readonly string[];
  /** Host paths shown read-only although they lie in a home or temporary directory. */
  readonly readable?: readonly string[] | undefined;
  /** Host directories that the build must not see, e.g. the daemon's state. */
  readonly hide?: readonly string[] | undefined;
  readonly onTraffic?: ((traffic: Traffic) => void) | undefined;
}

/** Loopback of the sandbox is its own, so the port never collides. */
const portInside = 3128;
const socketInside = '/run/waybill/relay.socket';

const here = fileURLToPath(import.meta.url);
const fromSource = here.endsWith('.ts');
const relayInside = join(dirname(here), fromSource ? 'relay-inside.ts' : 'relay-inside.js');
/** Our own programs run inside: Node, their files, and the package file that says how Node reads them. */
const ownFiles = [process.execPath, dirname(here), join(dirname(here), fromSource ? '../..' : '..', 'package.json')];

/**
 * Runs each command in a bubblewrap sandbox: own user, process, network, IPC and host-name namespaces, no capabilities, the
 * host's files read-only with homes, temporary directories and sockets hidden. The only way out is the relay's unix socket,
 * reached through a forwarder on the sandbox's loopback (DESIGN.md §7, promise 9).
 *
 * @throws CraftError CRAFT_ENVIRONMENT_UNAVAILABLE
 */
export async function createBubblewrapEnvironment(options: BubblewrapEnvironmentOptions): Promise<BuildEnvironment> {
  closeInheritedDescriptors();
  const directory = await mkdtemp(join(tmpdir(), 'waybill-relay-'));
  const socketPath = join(directory, 'relay.socket');
  const relay =
    options.sessionProxyUrl === undefined
      ? undefined
      : await startRelay({ proxyUrl: options.sessionProxyUrl, listen: { socketPath }, onTraffic: options.onTraffic });

  function argvOf(command: BuildCommand): [string, ...string[]] {
    const share = command.network === 'host' ? ['--share-net'] : [];
    const session = command.network === 'session';
    if (session && !relay) {
      throw new CraftError(
        'CRAFT_ENVIRONMENT_UNAVAILABLE',
        `a command wants the session's network but no session is open: ${command.argv[0]}`,
      );
    }
    const forwarder = session ? [process.execPath, relayInside, socketInside, String(portInside)] : [];
    return [
      'bwrap',
      '--unshare-all',
      ...share,
      ...['--die-with-parent', '--new-session', '--cap-drop', 'ALL', '--hostname', 'waybill'],
      ...mountArguments({
        writable: options.writable,
        readable: [...(options.readable ?? []), ...ownFiles],
        hide: options.hide ?? [],
        path: command.env.PATH ?? '',
      }),
      ...(session ? ['--ro-bind', socketPath, socketInside] : []),
      ...['--chdir', command.cwd, '--'],
      ...forwarder,
      ...command.argv,
    ];
  }

  return {
    kind: 'bubblewrap',
    proxyUrl: relay ? `http://127.0.0.1:${portInside}` : '',
    run: async (command) =>
      await spawnCommand(command, { argv: argvOf(command), env: { PATH: '/usr/bin:/bin', ...command.env }, cwd: '/' }),
    async close() {
      await relay?.close();
      await rm(directory, { recursive: true, force: true });
    },
  };
}
