import { crc32 } from 'node:zlib';
import { kindNumber, kindOf, type RecordHeader, type RecordKind } from './record.js';

/** A record as an index knows it. */
export interface SegmentEntry {
  readonly kind: RecordKind;
  readonly sha256: string;
  readonly offset: number;
  /** Bytes of the body. */
  readonly size: number;
  /** As in the record's header. */
  readonly usedAt: number;
  /** First 16 digits, enough to find candidates by; empty when unknown. */
  readonly sha1: string;
  readonly sha512: string;
}

/** The entry of a record. */
export function entryOf({ kind, size, digests, usedAt }: RecordHeader, offset: number): SegmentEntry {
  const { sha256, sha1, sha512 = '' } = digests;
  return { kind, sha256, offset, size, usedAt, sha1: sha1.slice(0, 16), sha512: sha512.slice(0, 16) };
}

const magic = 0x32494257;
const preambleBytes = 16;
const entryBytes = 64;
const unknownPrefix = '0'.repeat(16);

/**
 * The records of one segment, kept in the form of its index file, little-endian: magic "WBI2", entry count, covered bytes
 * (u48), 2 bytes unused; per entry sha256, offset (u32), kind (u16), body length (u48), time of use (u32), the first 8 bytes
 * of sha1 and of sha512; CRC-32 of all before. An older index ("WBI1") is not read: the segment itself is.
 */
export class SegmentIndex {
  #bytes = Buffer.alloc(preambleBytes + 256 * entryBytes);
  #end = preambleBytes;
  /** Bytes of the segment that the entries describe. */
  covered = 0;

  get count(): number {
    return (this.#end - preambleBytes) / entryBytes;
  }

  add(entry: SegmentEntry): void {
    if (this.#end + entryBytes > this.#bytes.length) {
      // One that was read back has no room to spare, and an empty one too little to double.
      const grown = Buffer.alloc(Math.max(this.#bytes.length * 2, this.#end + entryBytes));
      this.#bytes.copy(grown);
      this.#bytes = grown;
    }
    this.#bytes.write(entry.sha256, this.#end, 32, 'hex');
    this.#bytes.writeUInt32LE(entry.offset, this.#end + 32);
    this.#bytes.writeUInt16LE(kindNumber(entry.kind), this.#end + 36);
    this.#bytes.writeUIntLE(entry.size, this.#end + 38, 6);
    this.#bytes.writeUInt32LE(entry.usedAt, this.#end + 44);
    this.#bytes.write(entry.sha1, this.#end + 48, 8, 'hex');
    this.#bytes.write(entry.sha512, this.#end + 56, 8, 'hex');
    this.#end += entryBytes;
  }

  /** Entries in the order of the segment. */
  *entries(): Generator<SegmentEntry> {
    for (let at = preambleBytes; at < this.#end; at += entryBytes) {
      const kind = kindOf(this.#bytes.readUInt16LE(at + 36));
      if (!kind) continue;
      yield {
        kind,
        sha256: this.#bytes.toString('hex', at, at + 32),
        offset: this.#bytes.readUInt32LE(at + 32),
        size: this.#bytes.readUIntLE(at + 38, 6),
        usedAt: this.#bytes.readUInt32LE(at + 44),
        sha1: this.#prefix(at + 48),
        sha512: this.#prefix(at + 56),
      };
    }
  }

  #prefix(at: number): string {
    const text = this.#bytes.toString('hex', at, at + 8);
    return text === unknownPrefix ? '' : text;
  }

  encode(): Buffer {
    const bytes = Buffer.alloc(this.#end + 4);
    this.#bytes.copy(bytes, 0, 0, this.#end);
    bytes.writeUInt32LE(magic, 0);
    bytes.writeUInt32LE(this.count, 4);
    bytes.writeUIntLE(this.covered, 8, 6);
    bytes.writeUInt32LE(crc32(bytes.subarray(0, this.#end)), this.#end);
    return bytes;
  }

  /** undefined when the file is damaged: the segment itself is read instead. */
  static decode(bytes: Buffer): SegmentIndex | undefined {
    const end = bytes.length - 4;
    if (end < preambleBytes || bytes.readUInt32LE(0) !== magic) return undefined;
    if (preambleBytes + bytes.readUInt32LE(4) * entryBytes !== end) return undefined;
    if (bytes.readUInt32LE(end) !== crc32(bytes.subarray(0, end))) return undefined;
    const index = new SegmentIndex();
    index.#bytes = Buffer.from(bytes);
    index.#end = end;
    index.covered = bytes.readUIntLE(8, 6);
    return index;
  }
}
