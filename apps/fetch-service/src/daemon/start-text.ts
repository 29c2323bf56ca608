import type { ServeOptions } from './serve-options.js';

/** What is known once everything listens. */
export interface Started {
  readonly controlUrl: string;
  readonly proxyUrl: string;
  readonly controlHost: string;
  readonly proxyHost: string;
  readonly caFile: string;
  readonly caSha256: string;
  readonly socketPath: string | undefined;
  readonly runtimeFile: string | undefined;
  readonly resumedSessions: number;
}

/** What a person who starts the daemon wants to know, one fact a line. */
export function startText(options: ServeOptions, started: Started): string {
  const everywhere = (host: string) => (host === '::' || host === '0.0.0.0' ? ' (all interfaces)' : '');
  const policies = options.isPermissiveAllowed ? 'strict and permissive sessions' : 'strict sessions only';
  const lines: [string, string | undefined][] = [
    [
      'control API',
      `${started.controlUrl}${everywhere(started.controlHost)}${options.credentials ? '' : ', without credentials'}`,
    ],
    ['proxy', `${started.proxyUrl}${everywhere(started.proxyHost)}, ${policies}`],
    ['root certificate', `${started.caFile} (sha256 ${started.caSha256})`],
    ['configuration', options.configDirectory],
    ['spool', options.spoolRoot],
    ['records', options.databaseUrl === undefined ? 'SQLite in the spool' : 'database given by URL'],
    ['control socket', started.socketPath ?? 'none'],
    ['runtime file', started.runtimeFile ?? 'none'],
    ['log', options.logFile ?? 'standard error'],
    ['processes', options.processes > 1 ? String(options.processes) : undefined],
    ['sessions', started.resumedSessions > 0 ? `${started.resumedSessions} taken over` : undefined],
    ['stops', options.idleShutdownSeconds > 0 ? `after ${options.idleShutdownSeconds} s without use` : undefined],
  ];
  const body = lines.flatMap(([name, value]) => (value === undefined ? [] : [`  ${name.padEnd(17)}${value}`]));
  return ['fetch-service is ready', ...body, ''].join('\n');
}
