import { type BlobEntry, type BlobUsage, type Clock, isHexDigest } from '@waybill/contracts';
import { blobsPrefix, usedPrefix } from './keys.js';
import type { ListedObject, S3Objects } from './s3-objects.js';
import type { Uploads } from './uploads.js';

/** What going through a bucket needs. */
export interface InventoryOptions {
  readonly objects: S3Objects;
  readonly uploads: Pick<Uploads, 'pending'>;
  readonly clock: Clock;
  /** A count that is older is made anew. */
  readonly usageMaxAgeMs: number;
}

/** Goes through all blobs, and counts them now and then. */
export class Inventory {
  readonly #options: InventoryOptions;
  #counted: { readonly at: number; readonly found: Promise<BlobUsage> } | undefined;

  constructor(options: InventoryOptions) {
    this.#options = options;
  }

  /** Those on their way first, then those in S3. */
  async *entries(): AsyncGenerator<BlobEntry> {
    const { objects, uploads, clock } = this.#options;
    const pending = new Set<string>();
    for (const { digests, size } of uploads.pending()) {
      pending.add(digests.sha256);
      yield { sha256: digests.sha256, size, usedAt: clock.now() };
    }
    const usedAt = inStep(objects.list(usedPrefix));
    for await (const { name, size, lastModified } of objects.list(blobsPrefix)) {
      const later = await usedAt(name);
      if (!isHexDigest('sha256', name) || pending.has(name)) continue;
      yield { sha256: name, size, usedAt: later && later > lastModified ? later : lastModified };
    }
  }

  /** Counting a large bucket takes minutes: who asks meanwhile gets the last count. */
  async usage(): Promise<BlobUsage> {
    const { clock, usageMaxAgeMs } = this.#options;
    const now = clock.now().getTime();
    const known = this.#counted;
    if (known && now - known.at < usageMaxAgeMs) return await known.found;
    const found = this.#count();
    this.#counted = { at: now, found };
    found.catch(() => {
      this.#counted = known;
    });
    return await (known && usageMaxAgeMs > 0 ? known.found : found);
  }

  async #count(): Promise<BlobUsage> {
    let bytes = 0;
    let count = 0;
    for await (const { size } of this.entries()) {
      bytes += size;
      count++;
    }
    return { bytes, count };
  }
}

/** Times of objects in a list, looked up by names in ascending order: two lists are read side by side. */
function inStep(list: AsyncGenerator<ListedObject>): (name: string) => Promise<Date | undefined> {
  let current: Promise<IteratorResult<ListedObject, void>> | undefined;
  return async (name) => {
    for (;;) {
      current ??= list.next();
      const { done, value } = await current;
      if (done || value.name > name) return undefined;
      current = undefined;
      if (value.name === name) return value.lastModified;
    }
  };
}
