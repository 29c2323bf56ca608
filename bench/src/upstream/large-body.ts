import { createCipheriv, createHash } from 'node:crypto';
import { open } from 'node:fs/promises';
import type { Piece } from '../load/job.ts';

const stepBytes = 1024 * 1024;
const pieces = 16;
const pieceBytes = 64 * 1024;

/** A large body that lies in a file. */
export interface LargeBody {
  readonly path: string;
  readonly bytes: number;
  readonly sha256: string;
  /** Spread over the body, first and last bytes included. */
  readonly pieces: readonly Piece[];
}

/**
 * Writes a body that does not compress and is the same on every run: an AES-CTR key stream of its name.
 * @param bytes a multiple of 1 MiB
 */
export async function writeLargeBody(file: string, name: string, bytes: number): Promise<Omit<LargeBody, 'path'>> {
  const key = createHash('sha256').update(name).digest().subarray(0, 16);
  const cipher = createCipheriv('aes-128-ctr', key, Buffer.alloc(16));
  const hash = createHash('sha256');
  const zeros = Buffer.alloc(stepBytes);
  const starts = pieceStarts(bytes);
  const found: Piece[] = [];
  const handle = await open(file, 'w');
  try {
    for (let at = 0; at < bytes; at += stepBytes) {
      const step = cipher.update(zeros);
      hash.update(step);
      for (const start of starts.filter((start) => start >= at && start < at + stepBytes)) {
        const piece = step.subarray(start - at, start - at + pieceBytes);
        found.push({ at: start, bytes: pieceBytes, sha256: createHash('sha256').update(piece).digest('hex') });
      }
      await handle.write(step);
    }
  } finally {
    await handle.close();
  }
  return { bytes, sha256: hash.digest('hex'), pieces: found };
}

/** Where the compared pieces begin: each within one step, none over another. */
function pieceStarts(bytes: number): number[] {
  const last = bytes / pieceBytes - 1;
  const blocks = Array.from({ length: pieces }, (_, index) => Math.round((index * last) / (pieces - 1)));
  return [...new Set(blocks)].map((block) => block * pieceBytes);
}
