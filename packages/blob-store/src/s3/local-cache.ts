import type { BlobStore, Clock, Logger } from '@waybill/contracts';

/** What keeping a directory small needs. */
export interface LocalCacheOptions {
  readonly store: BlobStore;
  readonly maxBytes: number;
  readonly clock: Clock;
  readonly logger: Logger;
  /** Whether a body must stay: it is not in S3 yet. */
  readonly isPinned: (name: string) => boolean;
}

/** What was used so recently stays: another process may be about to upload it. */
const recentMs = 10 * 60_000;
/** Room is made down to this share of the limit, so that it need not be made for each body. */
const keptShare = 0.8;
const mostCompactions = 64;

/** Local copies of blobs, the least recently used of which go when there are too many. */
export class LocalCache {
  readonly store: BlobStore;
  readonly #options: LocalCacheOptions;
  #making: Promise<void> | undefined;

  constructor(options: LocalCacheOptions) {
    this.#options = options;
    this.store = options.store;
  }

  /** Makes room when there is too little, in the background. */
  check(): void {
    this.#making ??= this.#check()
      .catch((error) => {
        this.#options.logger.warn({ error: String(error) }, 'cannot make room in the local copies of S3 blobs');
      })
      .finally(() => {
        this.#making = undefined;
      });
  }

  async settled(): Promise<void> {
    await this.#making;
  }

  async #check(): Promise<void> {
    const { store, maxBytes } = this.#options;
    const { bytes } = await store.usage();
    if (bytes > maxBytes) await this.#evict(bytes - maxBytes * keptShare);
  }

  /** Two passes over the entries, so that memory does not grow with them: which minutes go, and then what is of them. */
  async #evict(wanted: number): Promise<void> {
    const { store, clock, isPinned } = this.#options;
    const unusedSince = new Date(clock.now().getTime() - recentMs);
    const byMinute = new Map<number, number>();
    for await (const { size, usedAt } of store.entries()) {
      const minute = Math.floor(usedAt.getTime() / 60_000);
      byMinute.set(minute, (byMinute.get(minute) ?? 0) + size);
    }
    let last = Number.NEGATIVE_INFINITY;
    let sum = 0;
    for (const minute of [...byMinute.keys()].sort((a, b) => a - b)) {
      if (sum >= wanted) break;
      sum += byMinute.get(minute) as number;
      last = minute;
    }
    for await (const { sha256, usedAt } of store.entries()) {
      if (Math.floor(usedAt.getTime() / 60_000) > last || isPinned(sha256)) continue;
      await store.delete(sha256, { unusedSince });
    }
    for (let calls = 0; calls < mostCompactions && (await store.compact()) > 0; calls++);
  }
}
