import { createHash, createPublicKey, type KeyObject, verify } from 'node:crypto';

/** A minisign public key. */
export interface MinisignKey {
  /** Upper-case hex, as minisign prints it. */
  readonly id: string;
  readonly key: KeyObject;
}

/** Bytes that are no minisign key or signature. */
export class MinisignError extends Error {
  override readonly name = 'MinisignError';
}

/**
 * Reads the base64 line of a public key.
 * @throws MinisignError
 * @see minisign's documentation, "Signature format" and "Public key format"
 */
export function readMinisignKey(line: string): MinisignKey {
  const bytes = Buffer.from(line.trim(), 'base64');
  if (bytes.length !== 42 || bytes.toString('latin1', 0, 2) !== 'Ed') throw new MinisignError('no minisign public key');
  const x = bytes.subarray(10).toString('base64url');
  return { id: idOf(bytes), key: createPublicKey({ key: { kty: 'OKP', crv: 'Ed25519', x }, format: 'jwk' }) };
}

/**
 * Checks a `.minisig` over these bytes; returns why it does not count, or undefined when it does.
 * @throws MinisignError when it cannot be read
 */
export function minisignFault(data: Uint8Array, signature: Uint8Array, { id, key }: MinisignKey): string | undefined {
  const lines = Buffer.from(signature).toString('utf8').split(/\r?\n/);
  const [comment = '', packed = '', trusted = '', global = ''] = lines;
  const bytes = Buffer.from(packed, 'base64');
  const algorithm = bytes.toString('latin1', 0, 2);
  if (!comment.startsWith('untrusted comment: ') || bytes.length !== 74 || !/^E[dD]$/.test(algorithm)) {
    throw new MinisignError('no minisign signature');
  }
  if (!trusted.startsWith('trusted comment: ') || lines.slice(4).some((line) => line !== '')) {
    throw new MinisignError('no minisign signature with a trusted comment');
  }
  if (idOf(bytes) !== id) return `it is by the key ${idOf(bytes)}, configured is ${id}`;
  const signed = bytes.subarray(10);
  const message = algorithm === 'ED' ? createHash('blake2b512').update(data).digest() : data;
  if (!verify(null, message, key, signed)) return 'it does not match';
  const words = Buffer.concat([signed, Buffer.from(trusted.slice('trusted comment: '.length))]);
  return verify(null, words, key, Buffer.from(global, 'base64')) ? undefined : 'its trusted comment was changed';
}

/** Key ids are little-endian numbers. */
function idOf(bytes: Buffer): string {
  return Buffer.from(bytes.subarray(2, 10)).reverse().toString('hex').toUpperCase();
}
