import { createHash } from 'node:crypto';
import type { BlobInfo, BlobWriter, Claim } from '@waybill/contracts';

/** Longest credential: tokens have some thousand bytes, and all of it is held in memory. */
export const secretBytes = 1 << 20;

/** Whether the answer to a request is a credential, by the word of whoever recognised the request. */
export function isSecretAnswer(claims: readonly Claim[]): boolean {
  return claims.some(({ inspection }) => inspection.secretAnswer === true && inspection.opinion === 'Pending');
}

/** Hashes a body that is kept nowhere (promise 6): the caller has its bytes, and nobody after it. */
export function createUnkeptWriter(): BlobWriter {
  const hashes = { sha1: createHash('sha1'), sha256: createHash('sha256'), sha512: createHash('sha512') };
  let size = 0;
  return {
    get size() {
      return size;
    },
    async write(chunk) {
      size += chunk.byteLength;
      for (const hash of Object.values(hashes)) hash.update(chunk);
    },
    async commit(): Promise<BlobInfo> {
      const { sha1, sha256, sha512 } = hashes;
      return {
        digests: { sha1: sha1.digest('hex'), sha256: sha256.digest('hex'), sha512: sha512.digest('hex') },
        size,
      };
    },
    async abort() {},
  };
}
