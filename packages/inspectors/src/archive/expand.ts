import { pipeline, Readable, Transform } from 'node:stream';
import { createGunzip } from 'node:zlib';

/** Bounds of an archive that nobody has looked into yet. */
export interface ArchiveLimits {
  /** Bytes after decompression. */
  readonly maxBytes: number;
  /** Decompressed : compressed, once more than `ratioFreeBytes` came out. */
  readonly maxRatio: number;
  /** Bytes that may come out whatever the ratio: small archives of blanks are no bombs. */
  readonly ratioFreeBytes: number;
  readonly maxEntries: number;
}

/** Larger than any package seen, small enough that a bomb ends in seconds. */
export const archiveLimits: ArchiveLimits = {
  maxBytes: 4 * 2 ** 30,
  maxRatio: 250,
  ratioFreeBytes: 64 * 2 ** 20,
  maxEntries: 500_000,
};

/** An archive breaks the rules of its format or passes a limit. */
export class ArchiveError extends Error {}

/**
 * The bytes of a gzip stream, or the bytes themselves when they are not gzip, within limits.
 * The stream errors with {@link ArchiveError} when a limit is passed.
 */
export async function expandMaybeGzip(source: Readable, limits: ArchiveLimits): Promise<Readable> {
  const { head, rest } = await peek(source, 2);
  if (head[0] !== 0x1f || head[1] !== 0x8b)
    return chain(
      rest,
      bounded(limits, () => Number.POSITIVE_INFINITY),
    );
  const gunzip = createGunzip();
  return chain(
    chain(rest, gunzip),
    bounded(limits, () => gunzip.bytesWritten),
  );
}

/** Counts what comes out and compares it with what went in. */
function bounded(limits: ArchiveLimits, compressed: () => number): Transform {
  let size = 0;
  return new Transform({
    transform(chunk: Buffer, _encoding, done) {
      size += chunk.length;
      if (size > limits.maxBytes) {
        done(new ArchiveError(`the archive expands to more than ${limits.maxBytes} bytes`));
      } else if (size > limits.ratioFreeBytes && size > compressed() * limits.maxRatio) {
        done(new ArchiveError(`the archive expands more than ${limits.maxRatio} times`));
      } else {
        done(null, chunk);
      }
    },
  });
}

function chain(source: Readable, transform: Transform): Readable {
  return pipeline(source, transform, () => {});
}

/** Takes the first bytes of a stream without losing them. */
async function peek(source: Readable, bytes: number): Promise<{ head: Buffer; rest: Readable }> {
  const iterator = source[Symbol.asyncIterator]() as AsyncIterator<Buffer>;
  let head = Buffer.alloc(0);
  let done = false;
  while (head.length < bytes && !done) {
    const next = await iterator.next();
    done = next.done === true;
    if (!next.done) head = Buffer.concat([head, next.value]);
  }
  async function* all() {
    try {
      if (head.length > 0) yield head;
      for (;;) {
        const next = await iterator.next();
        if (next.done) return;
        yield next.value;
      }
    } finally {
      source.destroy();
    }
  }
  return { head, rest: Readable.from(all(), { objectMode: false }) };
}
