import type { Readable } from 'node:stream';
import { type BlobStore, isWaybillError } from '@waybill/contracts';

/** Bodies copied at a time: small ones wait for each other's reads. */
const parallelCopies = 16;

/** What was copied so far. */
export interface CopiedBodies {
  readonly bodies: number;
  readonly bytes: number;
}

/** Copies bodies, each once. */
export interface BodyCopier {
  readonly copied: CopiedBodies;
  /** @returns how many are not in the source */
  copyAll(sha256s: AsyncIterable<string>): Promise<number>;
}

export function createBodyCopier(
  source: Pick<BlobStore, 'open'>,
  target: Pick<BlobStore, 'stat' | 'create'>,
): BodyCopier {
  const copied = { bodies: 0, bytes: 0 };

  async function copyOne(sha256: string): Promise<number> {
    if (await target.stat(sha256)) return 0;
    const writer = target.create();
    try {
      // A whole read is verified before it ends.
      for await (const chunk of source.open(sha256) as Readable & AsyncIterable<Buffer>) await writer.write(chunk);
      const { size } = await writer.commit();
      copied.bodies++;
      copied.bytes += size;
      return 0;
    } catch (cause) {
      await writer.abort();
      if (isWaybillError(cause) && cause.code === 'BLOB_NOT_FOUND') return 1;
      throw cause;
    }
  }

  return {
    copied,
    async copyAll(sha256s) {
      let missing = 0;
      let waiting: string[] = [];
      const copyWaiting = async () => {
        for (const count of await Promise.all(waiting.map(copyOne))) missing += count;
        waiting = [];
      };
      for await (const sha256 of sha256s) if (waiting.push(sha256) >= parallelCopies) await copyWaiting();
      await copyWaiting();
      return missing;
    },
  };
}
