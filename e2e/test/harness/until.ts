import { setTimeout as sleep } from 'node:timers/promises';

/**
 * Waits until something is so, however long a busy machine takes.
 * @throws when it is not so after the time; `what` says what was waited for
 */
export async function until<Value>(
  what: string,
  condition: () => Value | Promise<Value>,
  timeoutMs = 60_000,
): Promise<NonNullable<Value>> {
  const deadline = Date.now() + timeoutMs;
  for (;;) {
    const value = await condition();
    if (value) return value;
    if (Date.now() > deadline) throw new Error(`${what}: not so after ${timeoutMs} ms`);
    await sleep(20);
  }
}
