/** Work on one name happens one after the other; names do not wait for each other. */
export class PerName {
  readonly #busy = new Map<string, Promise<unknown>>();

  async run<T>(name: string, work: () => Promise<T>): Promise<T> {
    const before = this.#busy.get(name);
    const mine = before ? before.then(work, work) : work();
    this.#busy.set(name, mine);
    try {
      return await mine;
    } finally {
      if (this.#busy.get(name) === mine) this.#busy.delete(name);
    }
  }

  /** Resolves when all that was begun is over. */
  async settled(): Promise<void> {
    await Promise.allSettled(this.#busy.values());
  }
}
