import { Readable } from 'node:stream';
import { inflateSync, zstdDecompressSync } from 'node:zlib';
import { decodeXz } from '../apt/bytes/xz.js';
import { ArchiveError } from '../archive/expand.js';
import { decompressLzo } from './lzo.js';

/** Decompresses one block to at most `maxBytes`. */
export type BlockDecoder = (block: Uint8Array, maxBytes: number) => Promise<Buffer>;

const names: Readonly<Record<number, string>> = { 1: 'gzip', 2: 'lzma', 3: 'lzo', 4: 'xz', 5: 'lz4', 6: 'zstd' };

/**
 * The decoder of a squashfs' compressor.
 * @throws ArchiveError for one that is not read
 */
export function blockDecoder(compressor: number, signal: AbortSignal): BlockDecoder {
  const name = names[compressor];
  switch (name) {
    case 'gzip':
      return async (block, maxOutputLength) => guarded(() => inflateSync(block, { maxOutputLength }), name);
    case 'zstd':
      return async (block, maxOutputLength) => guarded(() => zstdDecompressSync(block, { maxOutputLength }), name);
    case 'lzo':
      return async (block, maxBytes) => decompressLzo(block, maxBytes);
    case 'xz':
      return (block, maxBytes) => decompressXz(block, maxBytes, signal);
    default:
      throw new ArchiveError(`a squashfs compressed with ${name ?? `compressor ${compressor}`}, which is not read`);
  }
}

function guarded(decompress: () => Buffer, name: string): Buffer {
  try {
    return decompress();
  } catch (error) {
    throw new ArchiveError(`damaged ${name} data: ${(error as Error).message}`);
  }
}

async function decompressXz(block: Uint8Array, maxBytes: number, signal: AbortSignal): Promise<Buffer> {
  const parts: Buffer[] = [];
  let size = 0;
  try {
    for await (const part of decodeXz(Readable.from([Buffer.from(block)]), signal)) {
      size += part.length;
      if (size > maxBytes) throw new ArchiveError(`xz data of more than ${maxBytes} bytes`);
      parts.push(part);
    }
  } catch (error) {
    if (signal.aborted) throw signal.reason;
    if (error instanceof ArchiveError) throw error;
    throw new ArchiveError(`damaged xz data: ${(error as Error).message}`);
  }
  return Buffer.concat(parts);
}
