import type { ControlCredentials } from '../control/credentials.js';
import type { GcSettings } from '../gc/gc-settings.js';
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
  /** Processes that serve. */
  readonly processes: number;
  /** 0 = never. */
  readonly idleShutdownSeconds: number;
  /** How long the service goes on after it was told to stop, saying that it is not ready. */
  readonly drainSeconds: number;
  /** How long exchanges may go on after it stopped listening. */
  readonly graceSeconds: number;
  readonly logFile: string | undefined;
  readonly securityLogFile: string | undefined;
  readonly socket: { readonly path: string; readonly isChosen: boolean };
  readonly runtimeFile: { readonly path: string; readonly isChosen: boolean };
  /** undefined: SQLite in the spool. */
  readonly databaseUrl: string | undefined;
  /** As `openBlobStore` takes it; undefined: files in the spool. */
  readonly bodiesUrl: string | undefined;
  /** Bounds of each process; undefined = the proxy's defaults. */
  readonly maxConnections: number | undefined;
  readonly maxExchanges: number | undefined;
  readonly gc: GcSettings;
  readonly upstreamCaFiles: readonly string[];
  /** undefined = no profiler. */
  readonly profilePort: number | undefined;
  /** Where each process writes a profile of its whole life; undefined = nowhere. */
  readonly profileDirectory: string | undefined;
}
