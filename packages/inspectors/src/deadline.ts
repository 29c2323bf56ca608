import { InspectorError } from './errors.js';

/** A signal that fires with the first of: the outer signals, the time limit, `abort()`. `dispose` frees timer and listeners. */
export interface Deadline {
  readonly signal: AbortSignal;
  readonly abort: (reason: unknown) => void;
  dispose(): void;
}

/**
 * @param timeoutMs 0 = no time limit
 * @param sinceMs when the time began to run, of `performance.now()`
 */
export function createDeadline(
  outer: readonly AbortSignal[],
  timeoutMs: number,
  sinceMs = performance.now(),
): Deadline {
  const controller = new AbortController();
  const onOuter = () => {
    const reason: unknown = outer.find(({ aborted }) => aborted)?.reason;
    controller.abort(new InspectorError('INSPECTOR_ABORTED', abortText(reason)));
  };
  if (outer.some(({ aborted }) => aborted)) onOuter();
  else for (const signal of outer) signal.addEventListener('abort', onOuter, { once: true });
  const seconds = timeoutMs / 1000;
  const expire = () =>
    controller.abort(new InspectorError('INSPECTOR_TIMEOUT', `the inspection took longer than ${seconds} s`));
  const leftMs = Math.max(0, timeoutMs - (performance.now() - sinceMs));
  const timer = timeoutMs > 0 ? setTimeout(expire, leftMs) : undefined;
  return {
    signal: controller.signal,
    abort: (reason) => controller.abort(reason),
    dispose() {
      clearTimeout(timer);
      for (const signal of outer) signal.removeEventListener('abort', onOuter);
    },
  };
}

/**
 * The work's value, or a rejection as soon as the signal fires: work that does not heed its signal delays nobody.
 * @throws the signal's reason
 */
export async function untilAborted<Value>(signal: AbortSignal, work: () => Promise<Value>): Promise<Value> {
  signal.throwIfAborted();
  let onAbort: (() => void) | undefined;
  const aborted = new Promise<never>((_resolve, reject) => {
    onAbort = () => reject(signal.reason);
    signal.addEventListener('abort', onAbort, { once: true });
  });
  try {
    return await Promise.race([work(), aborted]);
  } finally {
    if (onAbort) signal.removeEventListener('abort', onAbort);
  }
}

function abortText(reason: unknown): string {
  return `the inspection was broken off${reason instanceof Error && reason.message ? `: ${reason.message}` : ''}`;
}
