import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { CraftError } from '../errors.js';
import { closeInheritedDescriptors } from './close-inherited.js';
import type { BuildCommand, BuildEnvironment } from './environment.js';
import { privatePaths } from './private-paths.js';
import { startRelay, type Traffic } from './relay.js';
import { findBubblewrap, identityInside, isolationArguments, isRoot } from './sandbox-arguments.js';
import { mountArguments, type SandboxMounts, visibleOf } from './sandbox-mounts.js';
import { watchSockets } from './socket-watch.js';
import { spawnCommand } from './spawn-command.js';
import { encodeFilter, systemCallFilter } from './system-call-filter.js';
import { writeUserDatabase } from './user-database.js';

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
/** Descriptors on which bubblewrap reads its options and the filter of system calls. */
const argumentsDescriptor = 3;
const filterDescriptor = 4;

const here = fileURLToPath(import.meta.url);
const fromSource = here.endsWith('.ts');
const relayInside = join(dirname(here), fromSource ? 'relay-inside.ts' : 'relay-inside.js');
/** Our own programs run inside: Node, their files, and the package file that says how Node reads them. */
const ownFiles = [process.execPath, dirname(here), join(dirname(here), fromSource ? '../..' : '..', 'package.json')];

/**
 * Runs each command in a bubblewrap sandbox: own user, process, network, IPC and host-name namespaces, no capabilities, no
 * system calls that lead around namespaces, the host's files read-only with homes, temporary directories and sockets hidden.
 * The only way out is the relay's unix socket, reached through a forwarder on the sandbox's loopback (DESIGN.md §7, promise 9).
 *
 * bubblewrap itself runs outside, so nothing of the build decides about it: it is started by its absolute path with an empty
 * environment, and the build's variables (PATH, LD_PRELOAD …) are options that it applies inside.
 *
 * @throws CraftError CRAFT_ENVIRONMENT_UNAVAILABLE
 */
export async function createBubblewrapEnvironment(options: BubblewrapEnvironmentOptions): Promise<BuildEnvironment> {
  const bwrap = findBubblewrap();
  if (bwrap === undefined) throw unavailable('bwrap is not installed', 'install the package bubblewrap');
  const filter = systemCallFilter();
  if (!filter) throw unavailable(`there is no filter of system calls for ${process.arch}`);
  closeInheritedDescriptors();
  const directory = await mkdtemp(join(tmpdir(), 'waybill-relay-'));
  const socketPath = join(directory, 'relay.socket');
  const relay =
    options.sessionProxyUrl === undefined
      ? undefined
      : await startRelay({ proxyUrl: options.sessionProxyUrl, listen: { socketPath }, onTraffic: options.onTraffic });
  const userFiles = identityInside ? writeUserDatabase(directory, identityInside) : [];
  const unreadable = isRoot ? privatePaths() : [];
  const closing = new AbortController();

  const mountsFor = (env: Readonly<Record<string, string>>): SandboxMounts => ({
    writable: options.writable,
    readable: [...(options.readable ?? []), ...ownFiles],
    hide: options.hide ?? [],
    privatePaths: unreadable,
    path: env.PATH ?? '',
  });

  function sandboxArguments(command: BuildCommand, env: Readonly<Record<string, string>>): string[] {
    return [
      ...isolationArguments(),
      ...['--seccomp', String(filterDescriptor)],
      ...(command.network === 'host' ? ['--share-net'] : []),
      ...mountArguments(mountsFor(env)),
      ...userFiles.flatMap(([source, inside]) => ['--ro-bind', source, inside]),
      ...(command.network === 'session' ? ['--ro-bind', socketPath, socketInside] : []),
      '--clearenv',
      ...Object.entries(env).flatMap(([name, value]) => ['--setenv', name, value]),
      ...['--chdir', command.cwd],
    ];
  }

  return {
    kind: 'bubblewrap',
    proxyUrl: relay ? `http://127.0.0.1:${portInside}` : '',
    async run(command) {
      const isSession = command.network === 'session';
      if (isSession && !relay) {
        throw unavailable(`a command wants the session's network but no session is open: ${command.argv[0]}`);
      }
      const env = { PATH: '/usr/bin:/bin', ...command.env };
      const [forSandbox, forCommand] = isSession ? withoutNodeVariables(env) : [env, []];
      const forwarder = [process.execPath, relayInside, socketInside, String(portInside), ...forCommand, '--'];
      // Before the masks are made: what is opened meanwhile is hidden or found, never neither.
      const watch = command.network === 'host' ? undefined : watchSockets((paths) => visibleOf(paths, mountsFor(env)));
      const result = await spawnCommand(command, {
        argv: [bwrap, '--args', String(argumentsDescriptor), '--', ...(isSession ? forwarder : []), ...command.argv],
        env: {},
        cwd: '/',
        inputs: [nulSeparated(sandboxArguments(command, forSandbox)), encodeFilter(filter)],
        closing: watch ? AbortSignal.any([closing.signal, watch.signal]) : closing.signal,
      }).finally(() => watch?.stop());
      const [opened] = watch?.stop() ?? [];
      if (opened !== undefined) throw sandboxOpened(opened);
      return result;
    },
    async close() {
      closing.abort();
      await relay?.close();
      await rm(directory, { recursive: true, force: true });
    },
  };
}

/** Variables that change how Node starts are for the build's Node, not for the forwarder: it hands them on. */
function withoutNodeVariables(env: Readonly<Record<string, string>>): [Record<string, string>, string[]] {
  const isForNode = ([name]: [string, string]) => name.startsWith('NODE_');
  const all = Object.entries(env);
  return [
    Object.fromEntries(all.filter((entry) => !isForNode(entry))),
    all.filter(isForNode).map(([name, value]) => `${name}=${value}`),
  ];
}

function nulSeparated(args: readonly string[]): string {
  const bad = args.find((argument) => argument.includes('\0'));
  if (bad !== undefined)
    throw unavailable(`a variable or path holds a NUL character: ${JSON.stringify(bad.slice(0, 100))}`);
  return args.map((argument) => `${argument}\0`).join('');
}

function unavailable(message: string, hint?: string): CraftError {
  return new CraftError('CRAFT_ENVIRONMENT_UNAVAILABLE', message, hint === undefined ? {} : { hint });
}

function sandboxOpened(path: string): CraftError {
  return new CraftError(
    'CRAFT_SANDBOX_OPENED',
    `a program of this machine began to listen on ${path} while the step ran, where the step could reach it`,
    { hint: 'run again: sockets that are there when a step begins are hidden; those below /run and /tmp always are' },
  );
}
