import type { StoreContext } from './context.js';

const perPage = 500;
/** How long bytes may be stored before the index knows of them; older ones that it does not know are nobody's. */
export const defaultGraceMs = 60_000;

/**
 * Removes bytes that no namespace has any more. The index forgets first: a crash in between leaves bytes without a name, noted
 * as doomed, never a name without bytes.
 */
export class Sweep {
  readonly #context: StoreContext;
  readonly #graceMs: number;
  #running: Promise<number> | undefined;

  constructor(context: StoreContext, graceMs: number) {
    this.#context = context;
    this.#graceMs = graceMs;
  }

  /** @returns how many bodies are gone */
  run(): Promise<number> {
    this.#running ??= this.#run().finally(() => {
      this.#running = undefined;
    });
    return this.#running;
  }

  /** As {@link run}, for nobody in particular. */
  soon(): void {
    this.run().catch((error: unknown) => {
      this.#context.logger.warn(
        { error: String(error) },
        'bytes that nobody needs could not be removed; it is tried again',
      );
    });
  }

  async settled(): Promise<void> {
    await this.#running?.catch(() => undefined);
  }

  async #run(): Promise<number> {
    const { database, writes, lists, blobs } = this.#context;
    const start = this.#context.clock.now().getTime();
    let count = 0;
    for (let after = ''; ; ) {
      const rows = await database.rows(
        `select d.sha256, (select min(b.namespace) from cache_blobs b where b.sha256 = d.sha256) from cache_doomed d
         where d.sha256 > ? order by d.sha256 limit ?`,
        [after, perPage],
      );
      const settled: string[] = [];
      for (const [name, holder] of rows) {
        const sha256 = String(name);
        if (holder !== null) settled.push(sha256);
        else if (await this.#remove(sha256)) {
          settled.push(sha256);
          count += 1;
        }
      }
      if (settled.length > 0) {
        await writes.run({
          namespaces: [],
          run: (transaction) =>
            // What was taken in and doomed again meanwhile is looked at again.
            transaction.rows(`delete from cache_doomed where since <= ? and sha256 in ${lists.texts}`, [
              start,
              JSON.stringify(settled),
            ]),
        });
      }
      if (rows.length < perPage) break;
      after = String(rows.at(-1)?.[0]);
    }
    if (count > 0) await blobs.compact();
    return count;
  }

  /** What was stored or used a moment ago may be on its way into the index: it stays until the next sweep. */
  async #remove(sha256: string): Promise<boolean> {
    const { blobs } = this.#context;
    const unusedSince = new Date(Date.now() - this.#graceMs);
    if (await blobs.delete(sha256, { unusedSince })) return true;
    return (await blobs.stat(sha256)) === undefined;
  }
}
