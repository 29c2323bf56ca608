import type { Logger } from '@waybill/contracts';
import { failureText } from '../cli/failure.js';
import { messageOf } from '../errors.js';
import { type LogFile, openLogFile } from '../logs/log-file.js';
import { createSecurityLog, type SecurityLog, silentSecurityLog } from '../logs/security-log.js';
import { createServiceLogger } from '../logs/service-logger.js';
import { Cleanup } from './cleanup.js';
import { type Daemon, startDaemon } from './daemon.js';
import type { ServeOptions } from './serve-options.js';
import { startText } from './start-text.js';

/** The whole stop, after which the process ends whatever still runs. */
const stopMs = 10_000;
const signalNumbers = { SIGINT: 2, SIGQUIT: 3, SIGTERM: 15 } as const;

/** What is needed of the process. */
export interface RunContext {
  readonly environment: Readonly<Record<string, string | undefined>>;
  readonly out: (text: string) => void;
}

/** Why the daemon stops, and with which exit code. specs/fetch-service.md §6.4 */
interface Stop {
  readonly reason: string;
  readonly exitCode: number;
}

/**
 * Runs the daemon in the foreground until a signal, idleness or a crash. Resolves to the exit code.
 * @throws whatever keeps it from starting; everything is undone then
 */
export async function runDaemon(options: ServeOptions, { environment, out }: RunContext): Promise<number> {
  const logFile = await openLogFile(options.logFile);
  const securityFile = options.securityLogFile === undefined ? undefined : await openLogFile(options.securityLogFile);
  const logger = createServiceLogger(logFile, options.verbosity);
  const security = securityFile ? createSecurityLog((line) => securityFile.write(line)) : silentSecurityLog;
  const cleanup = new Cleanup();
  const { promise: stopped, resolve: stop } = Promise.withResolvers<Stop>();
  const forget = watchProcess(stop, logger, security);
  const start = async () => {
    const onIdle = () => stop({ reason: 'idle', exitCode: 0 });
    const daemon = await startDaemon(options, { environment, logger, security, cleanup, onIdle });
    onSignal('SIGHUP', () => reload(daemon, logger));
    onSignal('SIGUSR1', () => reopen([logFile, securityFile], logger));
    const policy = options.isPermissiveAllowed ? 'permissive-allowed' : 'strict-only';
    security.event('INFO', 'sys_start', 'the service was started', { policy_mode: policy });
    logger.info(
      { control: daemon.started.controlUrl, proxy: daemon.started.proxyUrl, spool: options.spoolRoot },
      'started',
    );
    out(startText(options, daemon.started));
    return stopped;
  };
  try {
    const { reason, exitCode } = await Promise.race([start(), stopped]);
    const isClean = await within(stopMs, cleanup.run(logger));
    security.event('INFO', 'sys_shutdown', 'the service was stopped', { reason });
    logger.info({ reason, isClean }, 'stopped');
    return exitCode === 0 && !isClean ? 1 : exitCode;
  } catch (cause) {
    // Who starts the daemon with a log file looks for its errors there.
    if (options.logFile !== undefined) logger.error({}, failureText(cause).replace(/^error:/, 'ERROR:'));
    await within(stopMs, cleanup.run(logger));
    throw cause;
  } finally {
    forget();
    logFile.flush();
    securityFile?.flush();
  }
}

function watchProcess(stop: (stop: Stop) => void, logger: Logger, security: SecurityLog): () => void {
  const crash = (kind: string) => (cause: unknown) => {
    logger.error({ error: cause }, `a part of the service died: ${kind}`);
    const stack = cause instanceof Error ? cause.stack : undefined;
    security.event('CRITICAL', `sys_crash:${kind}`, messageOf(cause), { stack_trace: stack });
    stop({ reason: kind, exitCode: 2 });
  };
  const onException = crash('exception');
  const onRejection = crash('rejection');
  process.on('uncaughtException', onException);
  process.on('unhandledRejection', onRejection);
  for (const [signal, number] of Object.entries(signalNumbers)) {
    onSignal(signal as NodeJS.Signals, () => stop({ reason: signal, exitCode: 128 + number }));
  }
  return () => {
    process.off('uncaughtException', onException);
    process.off('unhandledRejection', onRejection);
    for (const signal of [...Object.keys(signalNumbers), 'SIGHUP', 'SIGUSR1']) process.removeAllListeners(signal);
  };
}

function onSignal(signal: NodeJS.Signals, handler: () => void): void {
  process.on(signal, handler);
}

function reload(daemon: Daemon, logger: Logger): void {
  daemon.reloadCertificate().catch((cause: unknown) => {
    logger.error({ error: messageOf(cause) }, 'the root certificate was not replaced: the earlier one stays');
  });
}

function reopen(files: readonly (LogFile | undefined)[], logger: Logger): void {
  for (const file of files) file?.reopen();
  logger.info({}, 'log files opened anew');
}

/** False when the time is over or the work says so. */
async function within(ms: number, work: Promise<boolean>): Promise<boolean> {
  const { promise, resolve } = Promise.withResolvers<boolean>();
  const timer = setTimeout(() => resolve(false), ms);
  const isDone = await Promise.race([work, promise]);
  clearTimeout(timer);
  return isDone;
}
