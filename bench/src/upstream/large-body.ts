import { createCipheriv, createHash } from 'node:crypto';
import { open } from 'node:fs/promises';

const pieceBytes = 1024 * 1024;

/** A large body that lies in a file. */
export interface LargeBody {
  readonly path: string;
  readonly bytes: number;
  readonly sha256: string;
}

/**
 * Writes a body that does not compress and is the same on every run: an AES-CTR key stream.
 * @returns its sha256
 */
export async function writeLargeBody(file: string, bytes: number): Promise<string> {
  const cipher = createCipheriv('aes-128-ctr', Buffer.alloc(16), Buffer.alloc(16));
  const hash = createHash('sha256');
  const zeros = Buffer.alloc(pieceBytes);
  const handle = await open(file, 'w');
  try {
    for (let left = bytes; left > 0; left -= pieceBytes) {
      const piece = cipher.update(left < pieceBytes ? zeros.subarray(0, left) : zeros);
      hash.update(piece);
      await handle.write(piece);
    }
  } finally {
    await handle.close();
  }
  return hash.digest('hex');
}
