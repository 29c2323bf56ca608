import { isIP } from 'node:net';
import { availableParallelism } from 'node:os';
import { resolve } from 'node:path';
import { type Command, InvalidArgumentError, Option } from 'commander';
import { credentialsVariable, parseCredentials } from '../control/credentials.js';
import { defaultRuntimeFile } from '../daemon/runtime-file.js';
import type { ServeOptions } from '../daemon/serve-options.js';
import { FetchServiceError } from '../errors.js';
import { parseAge, parseBytes } from '../gc/gc-settings.js';
import { type Verbosity, verbosities } from '../logs/service-logger.js';
import { defaultSocketPath } from '../socket/socket-path.js';

type Environment = Readonly<Record<string, string | undefined>>;

/** What commander hands over. */
interface ParsedOptions {
  readonly controlHost?: string;
  readonly controlPort: number;
  readonly proxyHost?: string;
  readonly proxyPort: number;
  readonly controlAuth: boolean;
  readonly config: string;
  readonly spool: string;
  readonly database?: string;
  readonly bodies?: string;
  readonly cert?: string;
  readonly key?: string;
  readonly upstreamCa?: readonly string[];
  readonly permissiveMode?: boolean;
  readonly idleShutdown: number;
  readonly keepSessions?: number;
  readonly keepReports?: boolean;
  readonly spoolQuota?: number;
  readonly processes: number;
  readonly drain: number;
  readonly grace: number;
  readonly maxConnections?: number;
  readonly maxExchanges?: number;
  readonly socket?: string;
  readonly runtimeFile?: string;
  readonly verbosity: Verbosity;
  readonly logFile?: string;
  readonly securityLogFile?: string;
  readonly profile?: boolean;
  readonly profilePort: number;
  readonly profileDir?: string;
}

/** Adds the options of the seed's `fetch` (specs/fetch-service.md §6.4) and ours. */
export function addServeOptions(command: Command, environment: Environment): Command {
  return command
    .optionsGroup('Listening:')
    .option('--control-port <port>', 'port of the control API; 0 takes a free one', port, 9999)
    .option('--control-host <address>', 'address of the control API (default: all interfaces)', address)
    .option('-p, --proxy-port <port>', 'port of the proxy; 0 takes a free one', port, 9988)
    .option('--proxy-host <address>', 'address of the proxy (default: all interfaces)', address)
    .option('--no-control-auth', 'let anybody use the control API; only with a loopback --control-host')
    .option('--socket <path>', 'local control socket of fetchctl (default: fetchctl.socket in the temporary directory)')
    .option(
      '--runtime-file <path>',
      'where clients on this machine find the running daemon (default: below the runtime directory)',
    )
    .optionsGroup('Configuration and state:')
    .option(
      '--config <dir>',
      'directory with inspectors.yaml (required there) and acl.yaml',
      defaultConfigDirectory(environment),
    )
    .option('--spool <dir>', 'directory for bodies, records and session files', defaultSpool(environment))
    .option('--keep-sessions <age>', 'remove sessions so long after their end: 12h, 30d, 8w (default: never)', age)
    .option('--keep-reports', 'then leave their report files in the spool, without bodies')
    .option('--spool-quota <bytes>', 'bodies may take so much: 500M, 50G (default: the disk decides)', bytes)
    .option('--database <url>', 'postgres://… instead of the SQLite file in the spool (also: DATABASE_URL)')
    .option('--bodies <url>', 's3://bucket/prefix?endpoint=… instead of files in the spool (also: WAYBILL_BODIES)')
    .option('--cert <file>', 'root certificate of the proxy, PEM (default: one of its own, made in the spool)')
    .option('--key <file>', 'its private key, PEM')
    .option('--upstream-ca <file>', 'trust these roots for upstreams too, PEM; may be repeated', append)
    .optionsGroup('Behaviour:')
    .option('--permissive-mode', 'allow sessions with the policy permissive')
    .option('--idle-shutdown <seconds>', 'stop after so long without sessions and calls; 0 = never', seconds, 0)
    .option(
      '--processes <number>',
      'processes that serve on the same ports; auto: one for each core, at most 4',
      processes,
      1,
    )
    .option('--drain <seconds>', 'when told to stop, go on for so long and say on /readyz that it ends', seconds, 0)
    .option('--grace <seconds>', 'then let downloads go on for so long', seconds, 3)
    .option('--max-connections <number>', 'client connections at a time, of each process (default: 4096)', positive)
    .option('--max-exchanges <number>', 'downloads under way at a time, of each process (default: 2048)', positive)
    .optionsGroup('Logs:')
    .addOption(
      new Option('--verbosity <level>', 'least important line to log').choices([...verbosities]).default('info'),
    )
    .option('--log-file <file>', 'log there instead of to standard error; SIGUSR1 opens it anew')
    .option('--security-log-file <file>', 'log logins, tokens, start and stop there')
    .option('--profile', 'serve CPU and heap profiles on a loopback port')
    .option('--profile-port <port>', 'that port; further processes take the next ones', port, 6060)
    .option('--profile-dir <dir>', 'write a CPU profile there when a process ends, one for each')
    .optionsGroup('Other:');
}

/**
 * Checks what options say together, and reads the credentials.
 * @throws FetchServiceError FETCH_OPTION_INVALID, FETCH_CREDENTIALS_MISSING
 */
export function toServeOptions(parsed: ParsedOptions, environment: Environment): ServeOptions {
  const { cert, key, socket, runtimeFile, controlHost, securityLogFile, logFile } = parsed;
  if ((cert === undefined) !== (key === undefined)) {
    throw invalid(
      `--${cert === undefined ? 'key' : 'cert'} was given without --${cert === undefined ? 'cert' : 'key'}`,
      'give both, or neither to have a CA made in the spool',
    );
  }
  if (!parsed.controlAuth && !isLoopback(controlHost)) {
    throw invalid(
      `--no-control-auth would let everybody who reaches ${controlHost ?? 'any interface'} create sessions`,
      'add --control-host=127.0.0.1, or set FETCH_SERVICE_AUTH=user:password instead',
    );
  }
  return {
    control: { host: controlHost, port: parsed.controlPort },
    proxy: { host: parsed.proxyHost, port: parsed.proxyPort },
    credentials: parsed.controlAuth ? parseCredentials(environment[credentialsVariable]) : undefined,
    configDirectory: resolve(parsed.config),
    spoolRoot: resolve(parsed.spool),
    certificate:
      cert !== undefined && key !== undefined ? { certFile: resolve(cert), keyFile: resolve(key) } : undefined,
    isPermissiveAllowed: parsed.permissiveMode ?? false,
    verbosity: parsed.verbosity,
    processes: parsed.processes,
    idleShutdownSeconds: parsed.idleShutdown,
    drainSeconds: parsed.drain,
    graceSeconds: parsed.grace,
    logFile: logFile && resolve(logFile),
    securityLogFile: securityLogFile && resolve(securityLogFile),
    socket: { path: socket ? resolve(socket) : defaultSocketPath(), isChosen: socket !== undefined },
    runtimeFile: {
      path: runtimeFile ? resolve(runtimeFile) : defaultRuntimeFile(environment),
      isChosen: runtimeFile !== undefined,
    },
    databaseUrl: parsed.database ?? (environment.DATABASE_URL || undefined),
    bodiesUrl: parsed.bodies ?? (environment.WAYBILL_BODIES || undefined),
    maxConnections: parsed.maxConnections,
    maxExchanges: parsed.maxExchanges,
    gc: {
      keepSessionsMs: parsed.keepSessions,
      keepsReports: parsed.keepReports ?? false,
      quotaBytes: parsed.spoolQuota,
    },
    upstreamCaFiles: (parsed.upstreamCa ?? []).map((file) => resolve(file)),
    profilePort: parsed.profile ? parsed.profilePort : undefined,
    profileDirectory: parsed.profileDir && resolve(parsed.profileDir),
  };
}

/** The seed's places, inside and outside its snap. */
function defaultConfigDirectory({ SNAP, SNAP_DATA }: Environment): string {
  return SNAP && SNAP_DATA ? `${SNAP_DATA}/conf` : '/etc/fetch';
}

/** Where the spool lies unless `--spool` says otherwise. */
export function defaultSpool({ SNAP, SNAP_COMMON }: Environment): string {
  return SNAP && SNAP_COMMON ? `${SNAP_COMMON}/spool` : '/var/lib/fetch';
}

function isLoopback(host: string | undefined): boolean {
  return host === 'localhost' || host === '::1' || /^127\.\d+\.\d+\.\d+$/.test(host ?? '');
}

function port(text: string): number {
  if (!/^\d{1,5}$/.test(text) || Number(text) > 65_535)
    throw new InvalidArgumentError('expected a number from 0 to 65535');
  return Number(text);
}

function seconds(text: string): number {
  if (!/^\d{1,9}$/.test(text)) throw new InvalidArgumentError('expected a number of seconds');
  return Number(text);
}

function age(text: string): number {
  const ms = parseAge(text);
  if (ms === undefined) throw new InvalidArgumentError('expected a number with s, m, h, d or w, such as 30d');
  return ms;
}

function bytes(text: string): number {
  const size = parseBytes(text);
  if (!size) throw new InvalidArgumentError('expected a number of bytes, such as 50G');
  return size;
}

function positive(text: string): number {
  if (!/^[1-9]\d{0,6}$/.test(text)) throw new InvalidArgumentError('expected a number from 1 to 9999999');
  return Number(text);
}

/** What `auto` means: more processes than these gain little, and each takes memory of its own. */
const mostAutomatic = 4;
const mostProcesses = 64;

function processes(text: string): number {
  if (text === 'auto') return Math.min(availableParallelism(), mostAutomatic);
  if (!/^\d{1,2}$/.test(text) || Number(text) < 1 || Number(text) > mostProcesses)
    throw new InvalidArgumentError(`expected auto, or a number from 1 to ${mostProcesses}`);
  return Number(text);
}

function address(text: string): string {
  const plain = text.replace(/^\[(.*)\]$/, '$1');
  if (plain !== 'localhost' && isIP(plain) === 0)
    throw new InvalidArgumentError('expected an IP address, or localhost');
  // A name may mean two addresses; who says localhost wants one that only this machine reaches.
  return plain === 'localhost' ? '127.0.0.1' : plain;
}

function append(value: string, list: readonly string[] = []): readonly string[] {
  return [...list, value];
}

function invalid(message: string, hint: string): FetchServiceError {
  return new FetchServiceError('FETCH_OPTION_INVALID', message, { hint });
}
