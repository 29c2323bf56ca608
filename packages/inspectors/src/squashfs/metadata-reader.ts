import { ArchiveError } from '../archive/expand.js';
import type { BlockDecoder } from './block-decoder.js';

/** Reads a stretch of the squashfs. @throws ArchiveError outside of it */
export type ReadAt = (start: number, length: number) => Promise<Buffer>;

const blockBytes = 8192;
const storedFlag = 0x8000;
/** Blocks read for one file: its way down through directories of any sane size. */
const mostBlocks = 2048;

interface Block {
  readonly bytes: Buffer;
  /** Where the next one begins. */
  readonly next: number;
}

/** Metadata of a squashfs is a chain of blocks; what is in them goes on from one to the next. */
export interface MetadataReader {
  /** @param block byte offset of a block. @param offset within what it decompresses to */
  read(block: number, offset: number, length: number): Promise<Buffer>;
}

export function createMetadataReader(readAt: ReadAt, decode: BlockDecoder): MetadataReader {
  const blocks = new Map<number, Block>();

  async function blockAt(start: number): Promise<Block> {
    const known = blocks.get(start);
    if (known) return known;
    if (blocks.size >= mostBlocks) throw new ArchiveError('the squashfs has too many metadata blocks on the way');
    const header = (await readAt(start, 2)).readUInt16LE(0);
    const size = header & ~storedFlag;
    if (size === 0 || size > blockBytes) throw new ArchiveError(`a metadata block of ${size} bytes`);
    const stored = await readAt(start + 2, size);
    const bytes = header & storedFlag ? stored : await decode(stored, blockBytes);
    const block = { bytes, next: start + 2 + size };
    blocks.set(start, block);
    return block;
  }

  return {
    async read(start, offset, length) {
      const parts: Buffer[] = [];
      let missing = length;
      let from = offset;
      for (let at = start; missing > 0; ) {
        const { bytes, next } = await blockAt(at);
        if (from >= bytes.length) throw new ArchiveError('a reference to behind the end of a metadata block');
        const part = bytes.subarray(from, from + missing);
        parts.push(part);
        missing -= part.length;
        from = 0;
        at = next;
      }
      return Buffer.concat(parts);
    },
  };
}
