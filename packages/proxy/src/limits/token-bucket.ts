/** Time in milliseconds, monotonic. */
type Now = () => number;

/**
 * Says how long whoever has just used something has to wait so that the rate holds on average. Nothing is queued: a use is
 * booked at once and may leave a debt, which the next users wait off one behind the other.
 */
export class TokenBucket {
  readonly #perMs: number;
  readonly #burst: number;
  readonly #now: Now;
  #tokens: number;
  #at: number;

  /**
   * @param perSecond what may be used in a second, on average
   * @param burst what may be used at once after a pause; default that of a second
   */
  constructor(perSecond: number, burst = perSecond, now: Now = () => performance.now()) {
    this.#perMs = perSecond / 1000;
    this.#burst = burst;
    this.#now = now;
    this.#tokens = burst;
    this.#at = now();
  }

  /** Books a use. @returns milliseconds to wait before going on */
  use(amount: number): number {
    this.#refill();
    this.#tokens -= amount;
    return this.#tokens >= 0 ? 0 : -this.#tokens / this.#perMs;
  }

  /** Milliseconds that a use of this size would have to wait. */
  delayOf(amount: number): number {
    this.#refill();
    return Math.max(0, (amount - this.#tokens) / this.#perMs);
  }

  #refill(): void {
    const now = this.#now();
    this.#tokens = Math.min(this.#burst, this.#tokens + (now - this.#at) * this.#perMs);
    this.#at = now;
  }
}
