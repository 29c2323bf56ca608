import type { Logger } from '@waybill/contracts';
import { messageOf } from '../errors.js';
import type { SecurityLog } from '../logs/security-log.js';

/** Why a process stops, and with which exit code. specs/fetch-service.md §6.4 */
export interface Stop {
  readonly reason: string;
  readonly exitCode: number;
}

const signalNumbers = { SIGINT: 2, SIGQUIT: 3, SIGTERM: 15 } as const;
const otherSignals = ['SIGHUP', 'SIGUSR1'] as const;

/** Calls `stop` when a part of the process dies for no foreseen reason. @returns takes that back */
export function onCrash(stop: (stop: Stop) => void, logger: Logger, security: SecurityLog): () => void {
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
  return () => {
    process.off('uncaughtException', onException);
    process.off('unhandledRejection', onRejection);
  };
}

/** Calls `stop` when the process is told to end by a signal. @returns ends listening to all signals */
export function onStopSignal(stop: (stop: Stop) => void): () => void {
  for (const [signal, number] of Object.entries(signalNumbers)) {
    process.on(signal, () => stop({ reason: signal, exitCode: 128 + number }));
  }
  return () => {
    for (const signal of [...Object.keys(signalNumbers), ...otherSignals]) process.removeAllListeners(signal);
  };
}

/** What one process of several does with signals: they reach all of a group, and the primary says what they mean. */
export function ignoreSignals(): void {
  for (const signal of [...Object.keys(signalNumbers), ...otherSignals]) process.on(signal, () => {});
}

/** False when the time is over or the work says so. */
export async function within(ms: number, work: Promise<boolean>): Promise<boolean> {
  const { promise, resolve } = Promise.withResolvers<boolean>();
  const timer = setTimeout(() => resolve(false), ms);
  const isDone = await Promise.race([work, promise]);
  clearTimeout(timer);
  return isDone;
}
