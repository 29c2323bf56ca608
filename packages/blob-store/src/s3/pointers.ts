import { hash } from 'node:crypto';
import { type BlobInfo, isHexDigest, type Logger } from '@waybill/contracts';
import { pointerKey } from './keys.js';
import { Limit } from './limit.js';
import type { S3Objects } from './s3-objects.js';

/** Pointers under way at a time. */
const underway = 8;
/** Pointers that wait; further ones are left out. */
const mostWaiting = 2_000;

/**
 * Objects that lead from a sha512 to a blob, so that other processes find it by that as well. They are written behind the
 * blobs and may be missing: whoever follows one checks where it leads.
 */
export class Pointers {
  readonly #objects: S3Objects;
  readonly #logger: Logger;
  readonly #limit = new Limit(underway);
  readonly #waiting = new Set<Promise<void>>();

  constructor(objects: S3Objects, logger: Logger) {
    this.#objects = objects;
    this.#logger = logger;
  }

  write({ digests: { sha256, sha512 } }: BlobInfo): void {
    if (sha512 === undefined || this.#waiting.size >= mostWaiting) return;
    const body = Buffer.from(sha256);
    const writing = this.#limit
      .run(() => this.#objects.put(pointerKey(sha512), body, { sha256: hash('sha256', body) }))
      .catch((error) =>
        this.#logger.warn({ blob: sha256, error: String(error) }, 'cannot write the pointer to a blob in S3'),
      )
      .finally(() => this.#waiting.delete(writing));
    this.#waiting.add(writing);
  }

  /** Where a sha512 leads to, perhaps wrongly. */
  async follow(sha512: string): Promise<string | undefined> {
    const found = await this.#objects.get(pointerKey(sha512));
    if (!found) return undefined;
    let text = '';
    for await (const chunk of found.body) {
      text += String(chunk);
      if (text.length > 64) break;
    }
    return isHexDigest('sha256', text) ? text : undefined;
  }

  async remove(sha512: string | undefined): Promise<void> {
    if (sha512 !== undefined) await this.#objects.delete(pointerKey(sha512));
  }

  async settled(): Promise<void> {
    await Promise.all(this.#waiting);
  }
}
