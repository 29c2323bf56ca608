import type { ControlCredentials } from '../control/credentials.js';
import type { Verbosity } from '../logs/service-logger.js';

/** Where a server listens. */
export interface ListenOptions {
  /** undefined = all interfaces. */
  readonly host: string | undefined;
  /** 0 = a free one. */
  readonly port: number;
}

/** Everything the daemon is told, checked and with defaults filled in. */
export interface ServeOptions {
  readonly control: ListenOptions;
  readonly proxy: ListenOptions;
  /** undefined: `--no-control-auth` on a loopback address. */
  readonly credentials: ControlCredentials | undefined;
  readonly configDirectory: string;
  readonly spoolRoot: string;
  /** undefined: a CA of our own, kept in the spool. */
  readonly certificate: { readonly certFile: string; readonly keyFile: string } | undefined;
  readonly isPermissiveAllowed: boolean;
  readonly verbosity: Verbosity;
  /** 0 = never. */
  readonly idleShutdownSeconds: number;
  readonly logFile: string | undefined;
  readonly securityLogFile: string | undefined;
  readonly socket: { readonly path: string; readonly isChosen: boolean };
  readonly runtimeFile: { readonly path: string; readonly isChosen: boolean };
  /** undefined: SQLite in the spool. */
  readonly databaseUrl: string | undefined;
  readonly upstreamCaFiles: readonly string[];
  /** undefined = no profiler. */
  readonly profilePort: number | undefined;
}
