import { ArchiveError } from '../archive/expand.js';

/** Where the parts of a squashfs lie; byte offsets. */
export interface Superblock {
  readonly blockSize: number;
  readonly compressor: number;
  readonly rootInode: bigint;
  readonly inodeTable: number;
  readonly directoryTable: number;
  readonly fragmentTable: number;
  readonly fragments: number;
  readonly bytesUsed: number;
}

export const superblockBytes = 96;
const largestBlock = 1 << 20;

/** Whether the bytes begin as a squashfs does. */
export function isSquashfs(head: Uint8Array): boolean {
  return Buffer.from(head.subarray(0, 4)).toString('latin1') === 'hsqs';
}

/**
 * @throws ArchiveError
 * @see Linux Documentation/filesystems/squashfs.rst, fs/squashfs/squashfs_fs.h
 */
export function readSuperblock(head: Buffer, size: number): Superblock {
  if (head.length < superblockBytes || !isSquashfs(head)) throw new ArchiveError('no squashfs');
  const [major, minor] = [head.readUInt16LE(28), head.readUInt16LE(30)];
  if (major !== 4 || minor !== 0) throw new ArchiveError(`a squashfs of version ${major}.${minor}, expected 4.0`);
  const blockSize = head.readUInt32LE(12);
  if (blockSize < 4096 || blockSize > largestBlock || blockSize !== 2 ** head.readUInt16LE(22)) {
    throw new ArchiveError(`a squashfs with blocks of ${blockSize} bytes`);
  }
  const place = (at: number, what: string): number => {
    const value = head.readBigUInt64LE(at);
    if (value > BigInt(size)) throw new ArchiveError(`the squashfs' ${what} lies outside of it`);
    return Number(value);
  };
  const fragments = head.readUInt32LE(16);
  return {
    blockSize,
    compressor: head.readUInt16LE(20),
    rootInode: head.readBigUInt64LE(32),
    bytesUsed: place(40, 'end'),
    inodeTable: place(64, 'table of inodes'),
    directoryTable: place(72, 'table of directories'),
    fragmentTable: fragments === 0 ? 0 : place(80, 'table of fragments'),
    fragments,
  };
}
