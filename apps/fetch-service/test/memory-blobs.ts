import { createHash } from 'node:crypto';
import { Readable } from 'node:stream';
import type { BlobStore } from '@waybill/contracts';

/** A blob store in memory with the meaning of `usedAt` and `unusedSince` that the real ones have. */
export function memoryBlobs(now: () => Date = () => new Date()): BlobStore & { readonly content: Map<string, Buffer> } {
  const content = new Map<string, Buffer>();
  const usedAt = new Map<string, Date>();
  const use = (sha256: string) => usedAt.set(sha256, now());
  const infoOf = (bytes: Buffer) => {
    const hex = (algorithm: string) => createHash(algorithm).update(bytes).digest('hex');
    return { size: bytes.length, digests: { sha1: hex('sha1'), sha256: hex('sha256'), sha512: hex('sha512') } };
  };
  return {
    content,
    create() {
      const parts: Buffer[] = [];
      let size = 0;
      return {
        get size() {
          return size;
        },
        async write(chunk) {
          parts.push(Buffer.from(chunk));
          size += chunk.byteLength;
        },
        async commit() {
          const info = infoOf(Buffer.concat(parts));
          content.set(info.digests.sha256, Buffer.concat(parts));
          use(info.digests.sha256);
          return info;
        },
        async abort() {},
      };
    },
    async stat(sha256) {
      const bytes = content.get(sha256);
      return bytes && infoOf(bytes);
    },
    async resolve({ hex }) {
      if (!content.has(hex)) return undefined;
      use(hex);
      return hex;
    },
    open: (sha256) => Readable.from([content.get(sha256) ?? Buffer.alloc(0)]),
    async flush() {},
    async delete(sha256, { unusedSince } = {}) {
      const used = usedAt.get(sha256);
      if (unusedSince && used && used >= unusedSince) return false;
      return content.delete(sha256);
    },
    compact: async () => 0,
    async *list() {
      yield* [...content.keys()];
    },
    async *entries() {
      for (const [sha256, { length: size }] of [...content]) {
        if (content.has(sha256)) yield { sha256, size, usedAt: usedAt.get(sha256) ?? new Date(0) };
      }
    },
    async usage() {
      return { count: content.size, bytes: [...content.values()].reduce((sum, { length }) => sum + length, 0) };
    },
    exportTo: async () => {},
    exportMany: async () => {},
    close: async () => {},
  };
}
