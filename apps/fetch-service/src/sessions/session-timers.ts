/** Node fires timers beyond 2^31-1 ms at once. */
const maxTimerMs = 2 ** 31 - 1;

/** One timer per session, for any length of time. */
export class SessionTimers {
  readonly #byId = new Map<string, NodeJS.Timeout>();
  readonly #now: () => number;

  /** @param now milliseconds, asked again when a long wait is cut into pieces */
  constructor(now: () => number) {
    this.#now = now;
  }

  /** Calls `onDue` at the given moment, at the earliest in the next turn of the event loop. */
  arm(id: string, at: Date, onDue: () => void): void {
    const remainingMs = at.getTime() - this.#now();
    const next = () => (remainingMs > maxTimerMs ? this.arm(id, at, onDue) : onDue());
    const timer = setTimeout(next, Math.min(Math.max(remainingMs, 0), maxTimerMs));
    // A daemon that stops must not wait for its sessions' time-outs.
    timer.unref();
    this.#byId.set(id, timer);
  }

  clear(id: string): void {
    clearTimeout(this.#byId.get(id));
    this.#byId.delete(id);
  }

  clearAll(): void {
    for (const id of [...this.#byId.keys()]) this.clear(id);
  }
}
