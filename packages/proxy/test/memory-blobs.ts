import { createHash } from 'node:crypto';
import { Readable } from 'node:stream';
import type { BlobInfo, BlobStore, BlobWriter, BodyDigests, ByteRange } from '@waybill/contracts';

/** A blob store in memory, with faults to order. */
export interface MemoryBlobs extends BlobStore {
  readonly content: ReadonlyMap<string, Buffer>;
  /** Writers that are neither committed nor aborted. */
  readonly openWriters: number;
  /** Makes the named operation fail with this error until it is called with undefined. */
  fail(operation: 'write' | 'commit' | 'flush' | 'open', error: Error | undefined): void;
  /** Runs before each flush resolves. */
  onFlush: (() => Promise<void>) | undefined;
}

export function memoryBlobs(): MemoryBlobs {
  const content = new Map<string, Buffer>();
  const faults = new Map<string, Error>();
  const writers = new Set<BlobWriter>();
  const check = (operation: string) => {
    const fault = faults.get(operation);
    if (fault) throw fault;
  };
  const blobs: MemoryBlobs = {
    content,
    onFlush: undefined,
    get openWriters() {
      return writers.size;
    },
    fail(operation, error) {
      if (error) faults.set(operation, error);
      else faults.delete(operation);
    },
    create({ sha512 = false } = {}) {
      const parts: Buffer[] = [];
      let size = 0;
      const writer: BlobWriter = {
        get size() {
          return size;
        },
        async write(chunk) {
          check('write');
          parts.push(Buffer.from(chunk));
          size += chunk.byteLength;
        },
        async commit() {
          check('commit');
          writers.delete(writer);
          const bytes = Buffer.concat(parts);
          const { digests, size } = infoOf(bytes);
          content.set(digests.sha256, bytes);
          // As the drivers do: of a large body only when asked.
          if (sha512 || size <= 256 * 1024) return { digests, size };
          return { digests: { sha1: digests.sha1, sha256: digests.sha256 }, size };
        },
        async abort() {
          writers.delete(writer);
        },
      };
      writers.add(writer);
      return writer;
    },
    async stat(sha256) {
      const bytes = content.get(sha256);
      return bytes && infoOf(bytes);
    },
    open(sha256: string, range?: ByteRange) {
      check('open');
      const bytes = content.get(sha256);
      if (!bytes) throw new Error(`no blob ${sha256}`);
      const part = range ? bytes.subarray(range.start, range.end + 1) : bytes;
      const chunks: Buffer[] = [];
      for (let at = 0; at < part.length; at += 65_536) chunks.push(part.subarray(at, at + 65_536));
      return Readable.from(chunks, { objectMode: false });
    },
    async flush() {
      await blobs.onFlush?.();
      check('flush');
    },
    async delete(sha256) {
      return content.delete(sha256);
    },
    async resolve({ algorithm, hex }) {
      for (const [name, bytes] of content) if (createHash(algorithm).update(bytes).digest('hex') === hex) return name;
      return undefined;
    },
    async *entries() {
      for (const [sha256, bytes] of content) yield { sha256, size: bytes.byteLength, usedAt: new Date(0) };
    },
    async usage() {
      return { bytes: [...content.values()].reduce((sum, { length }) => sum + length, 0), count: content.size };
    },
    async compact() {
      return 0;
    },
    async *list() {
      yield* content.keys();
    },
    async exportTo() {
      throw new Error('not part of these tests');
    },
    async exportMany() {
      throw new Error('not part of these tests');
    },
    async close() {},
  };
  return blobs;
}

/** Digests of bytes. */
export function infoOf(bytes: Uint8Array): BlobInfo & { readonly digests: Required<BodyDigests> } {
  const hex = (algorithm: string) => createHash(algorithm).update(bytes).digest('hex');
  return { digests: { sha1: hex('sha1'), sha256: hex('sha256'), sha512: hex('sha512') }, size: bytes.byteLength };
}
