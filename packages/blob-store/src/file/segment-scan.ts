import { hash } from 'node:crypto';
import type { FileHandle } from 'node:fs/promises';
import { decodeHeader, headerBytes, headerStart, recordBytes } from './record.js';
import { entryOf, type SegmentEntry } from './segment-index.js';

/** The part of a segment to read. */
export interface ScanRange {
  /** Where to start: the beginning, or the end of what an index covers. */
  readonly from: number;
  readonly fileBytes: number;
  readonly tag: Uint8Array;
  /** Whether bodies are read and checked as well. Who reads behind a living writer need not. */
  readonly checkBodies: boolean;
}

/** What a scan found. */
export interface ScanResult {
  readonly entries: readonly SegmentEntry[];
  /** End of the last intact record: everything behind it is a torn tail, or not all there yet. */
  readonly end: number;
  /** Stretches before `end` that hold no intact record. */
  readonly damaged: readonly { readonly offset: number; readonly bytes: number }[];
}

/** Reads at a position; fewer bytes only at the end of the file. */
export type ReadAt = (position: number, length: number) => Promise<Buffer>;

const windowBytes = 64 * 1024;
const searchBytes = 1024 * 1024;

/**
 * Reads a segment record by record. A damaged record costs only itself: the scan goes on at the next header. Memory is
 * bounded by the largest record.
 */
export async function scanSegment(readAt: ReadAt, range: ScanRange): Promise<ScanResult> {
  const start = headerStart(range.tag);
  const read = windowed(readAt);
  const entries: SegmentEntry[] = [];
  const damaged: { offset: number; bytes: number }[] = [];
  let end = range.from;
  let at = range.from;
  while (at + headerBytes <= range.fileBytes) {
    const entry = await readRecord(read, at, range, start);
    if (!entry) {
      at = await find(readAt, start, at + 1, range.fileBytes);
      continue;
    }
    if (at > end) damaged.push({ offset: end, bytes: at - end });
    entries.push(entry);
    at += recordBytes(entry.kind, entry.size);
    end = at;
  }
  return { entries, end, damaged };
}

async function readRecord(
  read: ReadAt,
  at: number,
  { fileBytes, checkBodies }: ScanRange,
  start: Buffer,
): Promise<SegmentEntry | undefined> {
  const bytes = await read(at, headerBytes);
  const header = decodeHeader(bytes);
  if (!header || !bytes.subarray(0, start.length).equals(start)) return undefined;
  if (at + recordBytes(header.kind, header.size) > fileBytes) return undefined;
  if (checkBodies && header.kind === 'packed') {
    const body = await read(at + headerBytes, header.size);
    if (body.length !== header.size || hash('sha256', body) !== header.digests.sha256) return undefined;
  }
  return entryOf(header, at);
}

/** Small records that lie together are read together. */
function windowed(readAt: ReadAt): ReadAt {
  let window: Buffer = Buffer.alloc(0);
  let windowAt = 0;
  return async (position, length) => {
    if (position < windowAt || position + length > windowAt + window.length) {
      window = await readAt(position, Math.max(length, windowBytes));
      windowAt = position;
    }
    return window.subarray(position - windowAt, position - windowAt + length);
  };
}

/** Position of the next possible header, or the end of the file. */
async function find(readAt: ReadAt, start: Buffer, from: number, fileBytes: number): Promise<number> {
  for (let at = from; at < fileBytes; at += searchBytes - start.length + 1) {
    const found = (await readAt(at, Math.min(searchBytes, fileBytes - at))).indexOf(start);
    if (found >= 0) return at + found;
  }
  return fileBytes;
}

/** Fewer bytes only at the end of the file. */
export async function readExactly(handle: FileHandle, position: number, length: number): Promise<Buffer> {
  const bytes = Buffer.allocUnsafe(length);
  let filled = 0;
  while (filled < length) {
    const { bytesRead } = await handle.read(bytes, filled, length - filled, position + filled);
    if (bytesRead === 0) break;
    filled += bytesRead;
  }
  return bytes.subarray(0, filled);
}
