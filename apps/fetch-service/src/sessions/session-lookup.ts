/** Ids that were looked for in vain are not looked for again so soon. */
const unknownForMs = 2_000;
const maxUnknown = 10_000;
/** Look-ups at a time, and such that wait for one of these to end. */
const maxRunning = 16;
const maxWaiting = 1_000;

/**
 * Bounds what guessing costs the database: credentials come from whoever reaches the proxy. Only ids that no session known
 * here has get this far; an id that the store does not know either is remembered for a while.
 */
export class SessionLookup<Found> {
  readonly #load: (id: string) => Promise<Found | undefined>;
  readonly #now: () => number;
  /** Until when an id counts as unknown, oldest first. */
  readonly #unknown = new Map<string, number>();
  readonly #running = new Map<string, Promise<Found | undefined>>();
  readonly #waiting: (() => void)[] = [];

  /** @param load asks the store; @param now milliseconds */
  constructor(load: (id: string) => Promise<Found | undefined>, now: () => number) {
    this.#load = load;
    this.#now = now;
  }

  /** undefined when there is no such session, or when too many are looked for already. */
  find(id: string): Promise<Found | undefined> {
    const until = this.#unknown.get(id);
    if (until !== undefined && until > this.#now()) return Promise.resolve(undefined);
    const running = this.#running.get(id);
    if (running) return running;
    if (this.#running.size >= maxRunning + maxWaiting) return Promise.resolve(undefined);
    const found = this.#ask(id).finally(() => {
      this.#running.delete(id);
      this.#waiting.shift()?.();
    });
    this.#running.set(id, found);
    return found;
  }

  /** There may be a session of this id now. */
  forget(id: string): void {
    this.#unknown.delete(id);
  }

  async #ask(id: string): Promise<Found | undefined> {
    if (this.#running.size >= maxRunning) await new Promise<void>((resolve) => this.#waiting.push(resolve));
    const found = await this.#load(id);
    if (found === undefined) this.#note(id);
    return found;
  }

  #note(id: string): void {
    this.#unknown.delete(id);
    this.#unknown.set(id, this.#now() + unknownForMs);
    const oldest = this.#unknown.keys().next();
    if (this.#unknown.size > maxUnknown && !oldest.done) this.#unknown.delete(oldest.value);
  }
}
