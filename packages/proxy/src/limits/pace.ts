/** The least that has to come in any time of this length. */
export interface LeastPace {
  readonly bytes: number;
  readonly inMs: number;
}

/**
 * Tells a transfer that goes on from one that only pretends to: silence is noticed by time-outs, a byte now and then is not.
 * Costs nothing but a look at the clock for each piece; a piece that never comes is for the time-out to notice.
 */
export class Pace {
  readonly #least: LeastPace;
  readonly #now: () => number;
  #since: number;
  #bytes = 0;

  constructor(least: LeastPace, now: () => number = () => performance.now()) {
    this.#least = least;
    this.#now = now;
    this.#since = now();
  }

  /** Books a piece. @returns whether the transfer is too slow */
  isTooSlow(bytes: number): boolean {
    this.#bytes += bytes;
    const now = this.#now();
    if (now - this.#since < this.#least.inMs) return false;
    const isTooSlow = this.#bytes < this.#least.bytes;
    this.#since = now;
    this.#bytes = 0;
    return isTooSlow;
  }

  /** The receiver made the sender wait for so long: that time does not count. */
  excuse(ms: number): void {
    this.#since += ms;
  }
}
