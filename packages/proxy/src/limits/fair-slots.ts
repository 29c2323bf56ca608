/** Who holds and who waits, for one key. */
interface Entry {
  held: number;
  readonly waiting: Waiter[];
}

interface Waiter {
  readonly most: number;
  readonly wake: () => void;
}

/**
 * A bounded number of slots that nobody can keep from the others: a key may hold as many as are still free. One greedy key
 * thus ends up with half of them, two with a third each and so on, and whoever comes new always finds some (dynamic thresholds
 * as switches use them for shared buffers, Choudhury and Hahne 1998). Who has to wait is served round-robin by key.
 */
export class FairSlots {
  readonly #slots: number;
  /** In the order in which keys are served next. */
  readonly #entries = new Map<string, Entry>();
  #taken = 0;
  #waiting = 0;

  constructor(slots: number) {
    this.#slots = slots;
  }

  get taken(): number {
    return this.#taken;
  }

  get waiting(): number {
    return this.#waiting;
  }

  heldBy(key: string): number {
    return this.#entries.get(key)?.held ?? 0;
  }

  /**
   * Takes a slot if there is one for the key and nobody of the key waits.
   * @param most bound of its own for the key; 0 = none
   */
  tryTake(key: string, most = 0): boolean {
    const entry = this.#entries.get(key);
    if (entry && entry.waiting.length > 0) return false;
    if (!this.#mayTake(entry?.held ?? 0, most)) return false;
    this.#taken += 1;
    if (entry) entry.held += 1;
    else this.#entries.set(key, { held: 1, waiting: [] });
    return true;
  }

  /** Waits for a slot: `wake` is called once it is taken for the key. The result gives up waiting. */
  wait(key: string, most: number, wake: () => void): () => void {
    const entry = this.#entries.get(key) ?? { held: 0, waiting: [] };
    this.#entries.set(key, entry);
    const waiter = { most, wake };
    entry.waiting.push(waiter);
    this.#waiting += 1;
    return () => {
      const at = entry.waiting.indexOf(waiter);
      if (at < 0) return;
      entry.waiting.splice(at, 1);
      this.#waiting -= 1;
      this.#tidy(key, entry);
    };
  }

  /** Gives a slot back. */
  free(key: string): void {
    const entry = this.#entries.get(key);
    if (!entry || entry.held === 0) return;
    entry.held -= 1;
    this.#taken -= 1;
    this.#tidy(key, entry);
    if (this.#waiting > 0) this.#serve();
  }

  #mayTake(held: number, most: number): boolean {
    const free = this.#slots - this.#taken;
    return free > 0 && held < free && (most === 0 || held < most);
  }

  #serve(): void {
    for (let isServed = true; isServed && this.#waiting > 0; ) {
      isServed = false;
      for (const [key, entry] of [...this.#entries]) {
        const [next] = entry.waiting;
        if (!next || !this.#mayTake(entry.held, next.most)) continue;
        isServed = true;
        entry.waiting.shift();
        this.#waiting -= 1;
        entry.held += 1;
        this.#taken += 1;
        // Served last from now on.
        this.#entries.delete(key);
        this.#entries.set(key, entry);
        next.wake();
      }
    }
  }

  #tidy(key: string, entry: Entry): void {
    if (entry.held === 0 && entry.waiting.length === 0) this.#entries.delete(key);
  }
}
