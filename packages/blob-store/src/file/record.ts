import { hash } from 'node:crypto';
import { crc32 } from 'node:zlib';
import type { BodyDigests } from '@waybill/contracts';

/**
 * A segment is a sequence of self-describing records: this header, then the body of a `packed` one. Little-endian.
 *
 *     0 magic "WBR1"   4 tag of the segment   12 kind   13 minutes since 2020 (u24; 0 unknown)   16 body length (u48)
 *     22 1 when sha512 is not known   24 sha256   56 sha1   76 sha512   140 CRC-32 of 0..139
 *
 * The tag is random and part of the segment's file name: when a scan has to look for the next header behind a damaged
 * one, bytes inside a body cannot pass for a record, whoever chose that body.
 */
export const headerBytes = 144;

/** Bytes of a segment's tag. */
export const tagBytes = 8;

const magic = 'WBR1';
const crcAt = headerBytes - 4;

/**
 * `deleted` takes back every earlier record of the same name; `used` says when a body was wanted again, `unwanted` asks the
 * processes that hold a body to remove it: these two also speak of bodies in other slots.
 */
export type RecordKind = 'packed' | 'file' | 'deleted' | 'used' | 'unwanted';

const kindNumbers: Record<RecordKind, number> = { packed: 1, file: 2, deleted: 3, used: 4, unwanted: 5 };
const kinds: readonly (RecordKind | undefined)[] = [undefined, 'packed', 'file', 'deleted', 'used', 'unwanted'];
/** 2020-01-01T00:00:00Z in seconds. Three bytes of minutes reach into 2051. */
const firstSecond = 1_577_836_800;
const lastMinute = 2 ** 24 - 1;

/** What a header says. */
export interface RecordHeader {
  readonly kind: RecordKind;
  /** Bytes of the body. Of `unwanted`: it stays when it was used since this time, in ms since 1970; 0: it goes anyway. */
  readonly size: number;
  readonly digests: BodyDigests;
  /** When the body was last wanted, in seconds since 1970, rounded up to whole minutes; 0 when unknown. */
  readonly usedAt: number;
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
  const bytes = Buffer.allocUnsafe(headerBytes);
  writeHeader(bytes, header, tag);
  return bytes;
}

/** The same into the first bytes of a buffer. */
export function writeHeader(bytes: Buffer, header: RecordHeader, tag: Uint8Array): void {
  bytes.fill(0, 0, headerBytes);
  bytes.write(magic, 0, 'latin1');
  bytes.set(tag, 4);
  bytes.writeUInt8(kindNumbers[header.kind], 12);
  bytes.writeUIntLE(minutesOf(header.usedAt), 13, 3);
  bytes.writeUIntLE(header.size, 16, 6);
  bytes.write(header.digests.sha256, 24, 32, 'hex');
  bytes.write(header.digests.sha1, 56, 20, 'hex');
  if (header.digests.sha512 === undefined) bytes[22] = 1;
  else bytes.write(header.digests.sha512, 76, 64, 'hex');
  bytes.writeUInt32LE(crc32(bytes.subarray(0, crcAt)), crcAt);
}

/** undefined when these bytes do not start with an intact header. */
export function decodeHeader(bytes: Buffer): RecordHeader | undefined {
  if (bytes.length < headerBytes || bytes.toString('latin1', 0, 4) !== magic) return undefined;
  if (bytes.readUInt32LE(crcAt) !== crc32(bytes.subarray(0, crcAt))) return undefined;
  const kind = kindOf(bytes[12]);
  if (!kind) return undefined;
  const minutes = bytes.readUIntLE(13, 3);
  return {
    kind,
    size: bytes.readUIntLE(16, 6),
    digests: {
      sha256: bytes.toString('hex', 24, 56),
      sha1: bytes.toString('hex', 56, 76),
      ...(bytes[22] === 0 && { sha512: bytes.toString('hex', 76, 140) }),
    },
    usedAt: minutes === 0 ? 0 : firstSecond + minutes * 60,
  };
}

function minutesOf(seconds: number): number {
  return Math.max(0, Math.min(lastMinute, Math.ceil((seconds - firstSecond) / 60)));
}

/** The record that takes back a name. */
export function deletedHeader(sha256: string): RecordHeader {
  return { kind: 'deleted', size: 0, digests: { sha256, sha1: '' }, usedAt: 0 };
}

/** The record that says a body was wanted again. */
export function usedHeader(sha256: string, usedAt: number): RecordHeader {
  return { kind: 'used', size: 0, digests: { sha256, sha1: '' }, usedAt };
}

/** The record that asks others to remove a body. @param unusedSince ms since 1970, 0 for no condition */
export function unwantedHeader(sha256: string, unusedSince: number, now: number): RecordHeader {
  return { kind: 'unwanted', size: unusedSince, digests: { sha256, sha1: '' }, usedAt: now };
}

/** All three digests of bytes in memory. */
export function hashBody(body: Uint8Array): Required<BodyDigests> {
  return { sha1: hash('sha1', body), sha256: hash('sha256', body), sha512: hash('sha512', body) };
}
