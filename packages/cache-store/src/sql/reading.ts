import { Readable } from 'node:stream';
import { isWaybillError } from '@waybill/contracts';

/** What is to be done while and after a body is read. */
export interface ReadingHooks {
  /** The bytes are not what they should be, or are gone. */
  onDamaged(): Promise<void>;
  /** Once, however the reading ended. */
  onClosed(): void;
}

/**
 * Opens first and answers later: the first bytes are here when this resolves.
 * @returns undefined when there is nothing to be read
 */
export async function readGuarded(source: Readable, hooks: ReadingHooks): Promise<Readable | undefined> {
  const chunks = source[Symbol.asyncIterator]();
  let first: IteratorResult<Uint8Array>;
  try {
    first = await chunks.next();
  } catch (error) {
    source.destroy();
    hooks.onClosed();
    if (!isDamage(error)) throw error;
    await hooks.onDamaged();
    return undefined;
  }
  const stream = Readable.from(rest(first, chunks, hooks), { objectMode: false });
  stream.once('close', () => {
    source.destroy();
    hooks.onClosed();
  });
  return stream;
}

async function* rest(
  first: IteratorResult<Uint8Array>,
  chunks: AsyncIterator<Uint8Array>,
  hooks: ReadingHooks,
): AsyncGenerator<Uint8Array> {
  try {
    for (let next = first; !next.done; next = await chunks.next()) yield next.value;
  } catch (error) {
    if (isDamage(error)) await hooks.onDamaged().catch(() => undefined);
    throw error;
  }
}

function isDamage(error: unknown): boolean {
  return isWaybillError(error) && (error.code === 'BLOB_CORRUPT' || error.code === 'BLOB_NOT_FOUND');
}
