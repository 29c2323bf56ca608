import { hash } from 'node:crypto';
import { crc32 } from 'node:zlib';
import type { BodyDigests } from '@waybill/contracts';

/**
 * A segment is a sequence of self-describing records: this header, then the body of a `packed` one. Little-endian.
 *
 *     0 magic "WBR1"   4 tag of the segment   12 kind   16 body length (u48)   24 sha256   56 sha1   76 sha512
 *     140 CRC-32 of 0..139
 *
 * The tag is random and part of the segment's file name: when a scan has to look for the next header behind a damaged
 * one, bytes inside a body cannot pass for a record, whoever chose that body.
 */
export const headerBytes = 144;

/** Bytes of a segment's tag. */
export const tagBytes = 8;

const magic = 'WBR1';
const crcAt = headerBytes - 4;

/** `deleted` takes back every earlier record of the same name. */
export type RecordKind = 'packed' | 'file' | 'deleted';

const kindNumbers: Record<RecordKind, number> = { packed: 1, file: 2, deleted: 3 };
const kinds: readonly (RecordKind | undefined)[] = [undefined, 'packed', 'file', 'deleted'];

/** What a header says. */
export interface RecordHeader {
  readonly kind: RecordKind;
  /** Bytes of the body. */
  readonly size: number;
  readonly digests: BodyDigests;
}

export function kindNumber(kind: RecordKind): number {
  return kindNumbers[kind];
}

export function kindOf(number: number | undefined): RecordKind | undefined {
  return kinds[number ?? 0];
}

/** Bytes that the record takes in its segment. */
export function recordBytes(kind: RecordKind, size: number): number {
  return kind === 'packed' ? headerBytes + size : headerBytes;
}

/** What every header in a segment starts with. */
export function headerStart(tag: Uint8Array): Buffer {
  return Buffer.concat([Buffer.from(magic, 'latin1'), tag]);
}

export function encodeHeader(header: RecordHeader, tag: Uint8Array): Buffer {
  const bytes = Buffer.alloc(headerBytes);
  bytes.write(magic, 0, 'latin1');
  bytes.set(tag, 4);
  bytes.writeUInt8(kindNumbers[header.kind], 12);
  bytes.writeUIntLE(header.size, 16, 6);
  bytes.write(header.digests.sha256, 24, 32, 'hex');
  bytes.write(header.digests.sha1, 56, 20, 'hex');
  bytes.write(header.digests.sha512, 76, 64, 'hex');
  bytes.writeUInt32LE(crc32(bytes.subarray(0, crcAt)), crcAt);
  return bytes;
}

/** undefined when these bytes do not start with an intact header. */
export function decodeHeader(bytes: Buffer): RecordHeader | undefined {
  if (bytes.length < headerBytes || bytes.toString('latin1', 0, 4) !== magic) return undefined;
  if (bytes.readUInt32LE(crcAt) !== crc32(bytes.subarray(0, crcAt))) return undefined;
  const kind = kindOf(bytes[12]);
  if (!kind) return undefined;
  return {
    kind,
    size: bytes.readUIntLE(16, 6),
    digests: {
      sha256: bytes.toString('hex', 24, 56),
      sha1: bytes.toString('hex', 56, 76),
      sha512: bytes.toString('hex', 76, 140),
    },
  };
}

/** The record that takes back a name. */
export function deletedHeader(sha256: string): RecordHeader {
  return { kind: 'deleted', size: 0, digests: { sha256, sha1: '', sha512: '' } };
}

/** All three digests of bytes in memory. */
export function hashBody(body: Uint8Array): BodyDigests {
  return { sha1: hash('sha1', body), sha256: hash('sha256', body), sha512: hash('sha512', body) };
}
