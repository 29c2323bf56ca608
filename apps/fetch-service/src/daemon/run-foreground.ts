import type { Logger, SocketRequest } from '@waybill/contracts';
import { failureText } from '../cli/failure.js';
import type { WorkerFacts } from '../cluster/topics.js';
import { messageOf } from '../errors.js';
import type { SocketAnswer } from '../socket/control-socket.js';
import { announce, openSocket } from './announce.js';
import { Cleanup } from './cleanup.js';
import type { DaemonContext } from './daemon-context.js';
import { createIdleShutdown } from './idle-shutdown.js';
import { onCrash, onStopSignal, type Stop } from './process-events.js';
import { openProcessLogs, type ProcessLogs } from './process-logs.js';
import type { ServeOptions } from './serve-options.js';
import { prepareSpool } from './spool-directory.js';
import { lockSpool } from './spool-lock.js';
import { startText } from './start-text.js';

/** What is needed of the process. */
export interface RunContext {
  readonly environment: Readonly<Record<string, string | undefined>>;
  readonly out: (text: string) => void;
}

/** What serves: this process, or others that it starts. */
export interface Serving {
  /** @throws whatever keeps it from serving */
  start(): Promise<WorkerFacts>;
  /** Pids of those that serve, where it is not this one. */
  readonly pids?: readonly number[];
  hasSessions(): boolean | Promise<boolean>;
  /** An operation of the control socket. */
  carryOut(request: SocketRequest): Promise<SocketAnswer>;
  reloadCertificate(): Promise<unknown>;
  /** Has other processes open their log files anew. */
  reopenLogs?(): void;
  /**
   * Stops serving, then undoes the rest, each in bounded time.
   * @param stop why; undefined = it could not be started
   * @param finish undoes what was added to the cleanup
   * @returns whether all went well
   */
  end(stop: Stop | undefined, finish: () => Promise<boolean>): Promise<boolean>;
}

/** What it is made with. */
export interface ServingContext extends Omit<DaemonContext, 'clock' | 'peers'> {
  readonly startedAt: Date;
  /** Ends the daemon. */
  readonly stop: (stop: Stop) => void;
}

/**
 * Runs a daemon in the foreground until a signal, idleness or a crash: what there is once for each daemon, whether one process serves
 * or several. Resolves to the exit code.
 * @throws whatever keeps it from starting; everything is undone then
 */
export async function runForeground(
  options: ServeOptions,
  { environment, out }: RunContext,
  create: (context: ServingContext) => Serving,
): Promise<number> {
  const logs = await openProcessLogs(options);
  const { logger, security } = logs;
  const cleanup = new Cleanup();
  const { promise: stopped, resolve: stop } = Promise.withResolvers<Stop>();
  const forgetSignals = onStopSignal(stop);
  const forgetCrashes = onCrash(stop, logger, security);
  const startedAt = new Date();
  const onIdle = () => stop({ reason: 'idle', exitCode: 0 });
  const idle = createIdleShutdown(options.idleShutdownSeconds, () => serving.hasSessions(), onIdle);
  const onActivity = () => idle.touch();
  const serving = create({ environment, logger, security, cleanup, startedAt, stop, onActivity });
  const finish = () => cleanup.run(logger);
  const start = async () => {
    // What the operator has to correct is said at once, and by one process.
    await prepareSpool(options.spoolRoot);
    const lock = await lockSpool(options.spoolRoot);
    cleanup.add('spool', () => lock.release());
    cleanup.add('idle timer', () => idle.stop());
    const facts = await serving.start();
    const socketPath = await openSocket(options, { logger, cleanup }, (request) => serving.carryOut(request));
    const runtimeFile = await announce(options, { logger, cleanup }, { ...facts, socketPath, startedAt });
    idle.touch();
    onOtherSignals(serving, logs);
    const policy = options.isPermissiveAllowed ? 'permissive-allowed' : 'strict-only';
    security.event('INFO', 'sys_start', 'the service was started', { policy_mode: policy });
    const { controlUrl: control, proxyUrl: proxy } = facts;
    logger.info({ control, proxy, spool: options.spoolRoot, processes: serving.pids }, 'started');
    out(startText(options, { ...facts, socketPath, runtimeFile }));
    return stopped;
  };
  try {
    const why = await Promise.race([start(), stopped]);
    const { reason, exitCode } = why;
    const isClean = await serving.end(why, finish);
    security.event('INFO', 'sys_shutdown', 'the service was stopped', { reason });
    logger.info({ reason, isClean }, 'stopped');
    return exitCode === 0 && !isClean ? 1 : exitCode;
  } catch (cause) {
    // Who starts the daemon with a log file looks for its errors there.
    if (options.logFile !== undefined) logger.error({}, failureText(cause).replace(/^error:/, 'ERROR:'));
    await serving.end(undefined, finish);
    throw cause;
  } finally {
    forgetSignals();
    forgetCrashes();
    logs.flush();
  }
}

function onOtherSignals(serving: Serving, logs: ProcessLogs): void {
  process.on('SIGHUP', () => reload(serving, logs.logger));
  process.on('SIGUSR1', () => {
    logs.reopen();
    serving.reopenLogs?.();
  });
}

function reload(serving: Serving, logger: Logger): void {
  serving.reloadCertificate().catch((cause: unknown) => {
    logger.error({ error: messageOf(cause) }, 'the root certificate was not replaced: the earlier one stays');
  });
}
