import type { ArtifactView } from '@waybill/contracts';
import { ArchiveError } from '../archive/expand.js';
import { type BlockDecoder, blockDecoder } from './block-decoder.js';
import { createMetadataReader, type MetadataReader, type ReadAt } from './metadata-reader.js';
import { readSuperblock, type Superblock, superblockBytes } from './superblock.js';

export interface SquashfsOptions {
  /** Longest file. */
  readonly maxBytes: number;
  readonly signal: AbortSignal;
}

interface Image {
  readonly superblock: Superblock;
  readonly readAt: ReadAt;
  readonly metadata: MetadataReader;
  readonly decode: BlockDecoder;
}

interface Inode {
  readonly type: number;
  readonly block: number;
  readonly offset: number;
}

const directoryTypes = new Set([1, 8]);
const noFragment = 0xffffffff;
const storedFlag = 1 << 24;
/** Longest listing of one directory. */
const listingBytes = 1 << 20;
/** Compressed bytes read for one file in all. */
const readBytes = 64 * 2 ** 20;

/**
 * Reads one regular file out of a squashfs 4.0 image (gzip, xz, lzo, zstd); only its directories and its own blocks are looked
 * at. Links are not followed.
 * @returns undefined when there is no such file
 * @throws ArchiveError
 */
export async function readSquashfsFile(
  source: Pick<ArtifactView, 'size' | 'openRaw'>,
  path: string,
  options: SquashfsOptions,
): Promise<Buffer | undefined> {
  const image = await openImage(source, options.signal);
  let inode = locate(image.superblock, image.superblock.rootInode);
  const names = path.split('/');
  for (const [index, name] of names.entries()) {
    const found = await findEntry(image, inode, name);
    if (!found) return undefined;
    if (directoryTypes.has(found.type) !== index < names.length - 1) return undefined;
    inode = found;
  }
  return readRegularFile(image, inode, options.maxBytes);
}

async function openImage(source: Pick<ArtifactView, 'size' | 'openRaw'>, signal: AbortSignal): Promise<Image> {
  let allowance = readBytes;
  const readAt: ReadAt = async (start, length) => {
    signal.throwIfAborted();
    if (start < 0 || start + length > source.size) throw new ArchiveError('a reference to outside of the squashfs');
    allowance -= length;
    if (allowance < 0) throw new ArchiveError(`more than ${readBytes} bytes to read for one file`);
    const parts: Buffer[] = [];
    for await (const part of source.openRaw({ start, end: start + length - 1 })) parts.push(part as Buffer);
    const bytes = Buffer.concat(parts);
    if (bytes.length !== length) throw new ArchiveError('the squashfs ends too early');
    return bytes;
  };
  if (source.size < superblockBytes) throw new ArchiveError('no squashfs');
  const superblock = readSuperblock(await readAt(0, superblockBytes), source.size);
  const decode = blockDecoder(superblock.compressor, signal);
  return { superblock, readAt, decode, metadata: createMetadataReader(readAt, decode) };
}

function locate({ inodeTable }: Superblock, reference: bigint): Inode {
  return { type: 0, block: inodeTable + Number(reference >> 16n), offset: Number(reference & 0xffffn) };
}

async function findEntry(image: Image, inode: Inode, wanted: string): Promise<Inode | undefined> {
  const { metadata, superblock } = image;
  const head = await metadata.read(inode.block, inode.offset, 32);
  const type = head.readUInt16LE(0);
  if (!directoryTypes.has(type)) throw new ArchiveError('a directory that is none');
  const isBasic = type === 1;
  const size =
    (isBasic ? head.readUInt16LE(24) : (await metadata.read(inode.block, inode.offset, 40)).readUInt32LE(20)) - 3;
  if (size <= 0) return undefined;
  if (size > listingBytes) throw new ArchiveError(`a directory with a listing of ${size} bytes`);
  const full = await metadata.read(inode.block, inode.offset, isBasic ? 32 : 40);
  const block = superblock.directoryTable + full.readUInt32LE(isBasic ? 16 : 24);
  const listing = await metadata.read(block, full.readUInt16LE(isBasic ? 26 : 34), size);
  const entry = findInListing(listing, wanted);
  return entry && { type: entry.type, block: superblock.inodeTable + entry.block, offset: entry.offset };
}

function findInListing(listing: Buffer, wanted: string): Inode | undefined {
  for (let at = 0; at + 12 <= listing.length; ) {
    const count = listing.readUInt32LE(at) + 1;
    const block = listing.readUInt32LE(at + 4);
    at += 12;
    if (count > 256) throw new ArchiveError('a directory with a damaged listing');
    for (let index = 0; index < count; index += 1) {
      if (at + 8 > listing.length) throw new ArchiveError('a directory with a damaged listing');
      const length = listing.readUInt16LE(at + 6) + 1;
      if (listing.toString('utf8', at + 8, at + 8 + length) === wanted) {
        return { type: listing.readUInt16LE(at + 4), block, offset: listing.readUInt16LE(at) };
      }
      at += 8 + length;
    }
  }
  return undefined;
}

async function readRegularFile(image: Image, { block, offset }: Inode, maxBytes: number): Promise<Buffer> {
  const { metadata, superblock, readAt, decode } = image;
  const type = (await metadata.read(block, offset, 2)).readUInt16LE(0);
  if (type !== 2 && type !== 9) throw new ArchiveError('expected a regular file');
  const isBasic = type === 2;
  const headBytes = isBasic ? 32 : 56;
  const head = await metadata.read(block, offset, headBytes);
  const size = isBasic ? head.readUInt32LE(28) : Number(head.readBigUInt64LE(24));
  if (size > maxBytes) throw new ArchiveError(`a file of ${size} bytes, allowed are ${maxBytes}`);
  const fragment = head.readUInt32LE(isBasic ? 20 : 44);
  const tail = fragment === noFragment ? 0 : size % superblock.blockSize;
  const count =
    fragment === noFragment ? Math.ceil(size / superblock.blockSize) : Math.floor(size / superblock.blockSize);
  const sizes =
    count === 0 ? Buffer.alloc(0) : (await metadata.read(block, offset, headBytes + 4 * count)).subarray(headBytes);
  const parts: Buffer[] = [];
  let at = isBasic ? head.readUInt32LE(16) : Number(head.readBigUInt64LE(16));
  for (let index = 0; index < count; index += 1) {
    const stored = sizes.readUInt32LE(4 * index);
    const wanted = Math.min(superblock.blockSize, size - index * superblock.blockSize);
    const bytes = await readData(image, at, stored);
    at += stored & ~storedFlag;
    // A block of no bytes stands for zeros.
    const part = stored === 0 ? Buffer.alloc(wanted) : bytes;
    if (part.length !== wanted) throw new ArchiveError(`a block of ${part.length} bytes, expected ${wanted}`);
    parts.push(part);
  }
  if (tail > 0) {
    if (fragment >= superblock.fragments) throw new ArchiveError('a reference to a fragment that is not there');
    const table = await readAt(superblock.fragmentTable + 8 * Math.floor(fragment / 512), 8);
    const entry = await metadata.read(Number(table.readBigUInt64LE(0)), 16 * (fragment % 512), 16);
    const bytes = await readData(image, Number(entry.readBigUInt64LE(0)), entry.readUInt32LE(8));
    const start = head.readUInt32LE(isBasic ? 24 : 48);
    if (start + tail > bytes.length) throw new ArchiveError('a file that goes on behind its fragment');
    parts.push(bytes.subarray(start, start + tail));
  }
  return Buffer.concat(parts);

  async function readData({ superblock: { blockSize } }: Image, start: number, stored: number): Promise<Buffer> {
    const length = stored & ~storedFlag;
    if (length > blockSize) throw new ArchiveError(`a block of ${length} bytes`);
    if (length === 0) return Buffer.alloc(0);
    const bytes = await readAt(start, length);
    return stored & storedFlag ? bytes : decode(bytes, blockSize);
  }
}
