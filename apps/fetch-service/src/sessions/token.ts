import { createHash, randomBytes, randomInt, timingSafeEqual } from 'node:crypto';

/** Source of randomness, injected in tests. */
export interface Randomness {
  bytes(count: number): Uint8Array;
  /** Uniform in `[0, below)`. */
  integer(below: number): number;
}

/** The system's CSPRNG. */
export const systemRandomness: Randomness = {
  bytes: (count) => randomBytes(count),
  integer: (below) => randomInt(below),
};

const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789';
/** 32 characters of 62 are 190 bits; the seed's 20 are the least that clients have seen. */
const tokenLength = 32;

/** A session token: characters `A-Za-z0-9`, fit for the user info of a URL. */
export function createToken(random: Randomness = systemRandomness): string {
  return Array.from({ length: tokenLength }, () => alphabet[random.integer(alphabet.length)]).join('');
}

/** A session id: 32 lower-case hex characters. */
export function createSessionId(random: Randomness = systemRandomness): string {
  return Buffer.from(random.bytes(16)).toString('hex');
}

/** What is stored of a token: lower-case hex sha256. A plain hash suffices, tokens are random and not chosen by people. */
export function digestToken(token: string): string {
  return createHash('sha256').update(token, 'utf8').digest('hex');
}

/** Compares a token with a stored digest in constant time. */
export function isToken(token: string, digestHex: string): boolean {
  return timingSafeEqual(Buffer.from(digestToken(token), 'hex'), digestBytes(digestHex));
}

/** Ids that may name a session; only these ever become part of a path. Callers of `fetchctl` may choose their own. */
export function isSessionId(id: string): boolean {
  return /^[a-z0-9]{1,64}$/.test(id);
}

function digestBytes(hex: string): Buffer {
  const bytes = Buffer.from(hex, 'hex');
  // A damaged record must fail the comparison, not throw at its length.
  return bytes.length === 32 ? bytes : Buffer.alloc(32, 0xff);
}
