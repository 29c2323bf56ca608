import { createHash, generateKeyPairSync, type KeyObject, sign } from 'node:crypto';

/** A key as snap stores have them: RSA, made at a fixed moment, named by its sha3-384. */
export interface SnapKey {
  readonly privateKey: KeyObject;
  /** `public-key-sha3-384` */
  readonly id: string;
  /** Body of its account-key assertion. */
  readonly body: string;
}

export interface AssertionInput {
  readonly type: string;
  /** In their order; undefined leaves one out. */
  readonly headers: Readonly<Record<string, string | undefined>>;
  readonly body?: string;
}

const keyTime = Date.UTC(2016, 0, 1) / 1000;

/** Makes a key; 2048 bits are enough for tests and quick. */
export function createSnapKey(bits = 2048): SnapKey {
  const { privateKey, publicKey } = generateKeyPairSync('rsa', { modulusLength: bits });
  const { n = '', e = '' } = publicKey.export({ format: 'jwk' });
  const packet = Buffer.concat([
    Buffer.from([4]),
    uint(4, keyTime),
    Buffer.from([1]),
    ...[n, e].map((number) => mpi(Buffer.from(number, 'base64url'))),
  ]);
  const bytes = Buffer.concat([Buffer.from([1]), openPgpPacket(6, packet)]);
  return { privateKey, id: createHash('sha3-384').update(bytes).digest('base64url'), body: lines(bytes) };
}

/** Text of an assertion, signed as stores do it: an OpenPGP signature without its issuer, in base64 behind a version. */
export function signAssertion({ type, headers, body }: AssertionInput, key: SnapKey): string {
  const all: Record<string, string | undefined> = {
    ...headers,
    ...(body !== undefined && { 'body-length': String(Buffer.byteLength(body)) }),
    'sign-key-sha3-384': key.id,
  };
  const text = Object.entries(all).flatMap(([name, value]) =>
    value === undefined ? [] : [value.startsWith('\n') ? `${name}:${value}` : `${name}: ${value}`],
  );
  const content = [`type: ${type}`, ...text].join('\n') + (body === undefined ? '' : `\n\n${body}`);
  return `${content}\n\n${lines(Buffer.concat([Buffer.from([1]), signature(content, key)]))}\n`;
}

/** RFC 4880 §5.2.3: version 4, binary, RSA, SHA-512, one hashed subpacket with the time. */
function signature(content: string, { privateKey }: SnapKey): Buffer {
  const hashed = Buffer.concat([Buffer.from([5, 2]), uint(4, Date.UTC(2025, 5, 1) / 1000)]);
  const head = Buffer.concat([Buffer.from([4, 0, 1, 10]), uint(2, hashed.length), hashed]);
  const signed = Buffer.concat([Buffer.from(content), head, Buffer.from([4, 0xff]), uint(4, head.length)]);
  const digest = createHash('sha512').update(signed).digest();
  return openPgpPacket(
    2,
    Buffer.concat([head, uint(2, 0), digest.subarray(0, 2), mpi(sign('sha512', signed, privateKey))]),
  );
}

function openPgpPacket(tag: number, body: Buffer): Buffer {
  return Buffer.concat([Buffer.from([0xc0 | tag, 0xff]), uint(4, body.length), body]);
}

function mpi(number: Buffer): Buffer {
  const start = number.findIndex((byte) => byte !== 0);
  const bytes = number.subarray(Math.max(start, 0));
  return Buffer.concat([uint(2, bytes.length * 8 - Math.clz32(bytes[0] ?? 0) + 24), bytes]);
}

function uint(length: number, value: number): Buffer {
  const bytes = Buffer.alloc(length);
  bytes.writeUIntBE(value, 0, length);
  return bytes;
}

function lines(bytes: Uint8Array): string {
  const text = Buffer.from(bytes).toString('base64');
  return (text.match(/.{1,76}/g) ?? []).join('\n');
}
