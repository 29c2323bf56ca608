import { setTimeout as sleep } from 'node:timers/promises';
import type { Clock } from '@waybill/contracts';
import { blobKey, doomedKey, doomedPrefix, pointerKey, usedKey } from './keys.js';
import type { S3Objects } from './s3-objects.js';

/** What the marks of blobs that are to go need. */
export interface DoomedOptions {
  readonly objects: S3Objects;
  readonly clock: Clock;
  readonly graceMs: number;
}

/** A process that stores blobs knows all marks that are older. Well below the time of grace. Milliseconds. */
const listEveryMs = 60_000;
/** A removal that was begun is over, or failed, after so long. Milliseconds. */
const removalMs = 3_000;
const rescueMs = 5_000;

/**
 * Blobs that are to go. S3 cannot delete "unless somebody stored it again meanwhile": so a blob is marked first, removed some
 * minutes later, when every process knows the mark, and whoever stores it again in between waits until the removal is surely
 * over and looks whether it is still there.
 */
export class Doomed {
  readonly #options: DoomedOptions;
  #names = new Set<string>();
  #listedAt = Number.NEGATIVE_INFINITY;
  #listing: Promise<void> | undefined;

  constructor(options: DoomedOptions) {
    this.#options = options;
  }

  /** Whether a blob that is to be stored may be about to go. */
  async has(name: string): Promise<boolean> {
    if (performance.now() - this.#listedAt > listEveryMs) await this.list();
    return this.#names.has(name);
  }

  /** Looks which marks there are. */
  list(): Promise<void> {
    this.#listing ??= this.#list().finally(() => {
      this.#listing = undefined;
    });
    return this.#listing;
  }

  async mark(name: string): Promise<void> {
    await this.#options.objects.mark(doomedKey(name));
    this.#names.add(name);
  }

  /** Stores a marked blob again, so that it stays. @param store makes sure that it is stored */
  async rescue(name: string, store: () => Promise<void>): Promise<void> {
    const { objects } = this.#options;
    await objects.delete(doomedKey(name));
    this.#names.delete(name);
    await store();
    await sleep(Math.min(rescueMs, this.#options.graceMs));
    if (!(await objects.head(blobKey(name)))) await store();
  }

  /** Removes marked blobs whose time of grace is over. @returns their bytes */
  async remove(): Promise<number> {
    const { objects, clock, graceMs } = this.#options;
    let freed = 0;
    for await (const { name, lastModified } of objects.list(doomedPrefix)) {
      if (clock.now().getTime() - lastModified.getTime() < graceMs) continue;
      freed += await this.#removeUnlessUsed(name, lastModified);
      await objects.delete(doomedKey(name));
      this.#names.delete(name);
    }
    return freed;
  }

  async #removeUnlessUsed(name: string, doomedAt: Date): Promise<number> {
    const { objects, graceMs } = this.#options;
    const found = await objects.head(blobKey(name));
    const used = await objects.head(usedKey(name));
    const usedAt = Math.max(found?.lastModified.getTime() ?? 0, used?.lastModified.getTime() ?? 0);
    // What was stored or used since, or in the same second, is wanted.
    const isWanted = graceMs > 0 && usedAt >= doomedAt.getTime();
    if (!found || isWanted || !(await objects.head(doomedKey(name)))) return 0;
    await objects.delete(blobKey(name), AbortSignal.timeout(removalMs));
    if (used) await objects.delete(usedKey(name));
    const { sha512 } = found.metadata;
    if (sha512 !== undefined) await objects.delete(pointerKey(sha512));
    return found.size;
  }

  async #list(): Promise<void> {
    const startedAt = performance.now();
    const names = new Set<string>();
    for await (const { name } of this.#options.objects.list(doomedPrefix)) names.add(name);
    this.#names = names;
    this.#listedAt = startedAt;
  }
}
