import { ContractError } from './errors.js';

/** Hash algorithms that ecosystems use to name bytes, weakest first. */
export const digestAlgorithms = [
  'md5',
  'sha1',
  'sha224',
  'sha256',
  'sha384',
  'sha512',
  'sha3-256',
  'sha3-384',
  'sha3-512',
] as const;

/** One of {@link digestAlgorithms}. */
export type DigestAlgorithm = (typeof digestAlgorithms)[number];

const hexLengths: Record<DigestAlgorithm, number> = {
  md5: 32,
  sha1: 40,
  sha224: 56,
  sha256: 64,
  sha384: 96,
  sha512: 128,
  'sha3-256': 64,
  'sha3-384': 96,
  'sha3-512': 128,
};

/** A digest: algorithm and lower-case hex. */
export interface Digest {
  readonly algorithm: DigestAlgorithm;
  readonly hex: string;
}

/** What a body is hashed with in one pass. Lower-case hex. */
export interface BodyDigests {
  readonly sha1: string;
  readonly sha256: string;
  /** Of a large body only when somebody wanted it: absent is not a mismatch, see {@link matchesDigest}. */
  readonly sha512?: string;
}

/** Algorithms that a body can be hashed with. */
export type BodyDigestAlgorithm = keyof BodyDigests;

/** Whether a body can be hashed with the algorithm. */
export function isBodyDigestAlgorithm(algorithm: DigestAlgorithm): algorithm is BodyDigestAlgorithm {
  return algorithm === 'sha512' || algorithm === 'sha256' || algorithm === 'sha1';
}

/** Whether the text is a lower-case hex digest of the given algorithm. */
export function isHexDigest(algorithm: DigestAlgorithm, hex: string): boolean {
  return hex.length === hexLengths[algorithm] && /^[0-9a-f]+$/.test(hex);
}

/**
 * Makes a digest out of an algorithm and hex in either case.
 * @throws ContractError CONTRACT_DIGEST_INVALID
 */
export function digest(algorithm: DigestAlgorithm, hex: string): Digest {
  const lower = hex.toLowerCase();
  if (!isHexDigest(algorithm, lower)) {
    throw new ContractError(
      'CONTRACT_DIGEST_INVALID',
      `expected ${hexLengths[algorithm]} hex digits of ${algorithm}, found ${JSON.stringify(hex.slice(0, 140))}`,
    );
  }
  return { algorithm, hex: lower };
}

/**
 * Parses `sha256:<hex>` and `sha256/<hex>` (OCI and craft-parts spelling; `sha3_384` means `sha3-384`).
 * @throws ContractError CONTRACT_DIGEST_INVALID
 */
export function parseDigest(text: string): Digest {
  const match = /^([a-z0-9_-]+)[:/]([0-9a-fA-F]+)$/.exec(text.trim());
  const algorithm = match?.[1]?.replaceAll('_', '-');
  if (!match?.[2] || !isDigestAlgorithm(algorithm)) {
    throw new ContractError(
      'CONTRACT_DIGEST_INVALID',
      `expected <algorithm>:<hex>, found ${JSON.stringify(text.slice(0, 140))}`,
      {
        hint: `algorithms: ${digestAlgorithms.join(', ')}`,
      },
    );
  }
  return digest(algorithm, match[2]);
}

/**
 * Parses Subresource Integrity text (`sha512-<base64> sha1-<base64>`) into digests, strongest first; parts of unknown
 * algorithms or wrong length are left out, options after `?` are ignored.
 * @see W3C Subresource Integrity §3
 */
export function parseIntegrity(text: string): Digest[] {
  const found: Digest[] = [];
  for (const part of text.trim().split(/\s+/)) {
    const match = /^([a-z0-9]+)-([A-Za-z0-9+/]+={0,2})(\?.*)?$/.exec(part);
    if (!match?.[1] || !match[2] || !isDigestAlgorithm(match[1])) continue;
    const hex = Buffer.from(match[2], 'base64').toString('hex');
    if (isHexDigest(match[1], hex)) found.push({ algorithm: match[1], hex });
  }
  return found.sort((a, b) => digestAlgorithms.indexOf(b.algorithm) - digestAlgorithms.indexOf(a.algorithm));
}

/** `sha256:<hex>`, the one spelling in our own documents. */
export function formatDigest(value: Digest): string {
  return `${value.algorithm}:${value.hex}`;
}

/** Whether the text names one of {@link digestAlgorithms}. */
export function isDigestAlgorithm(text: string | undefined): text is DigestAlgorithm {
  return (digestAlgorithms as readonly (string | undefined)[]).includes(text);
}

/**
 * Compares a vouched digest with a body's digests. `undefined` when the body was not hashed with that algorithm: the
 * caller must then hash it or refuse, never take it for a match.
 */
export function matchesDigest(expected: Digest, actual: BodyDigests): boolean | undefined {
  const hex = (actual as unknown as Record<string, string | undefined>)[expected.algorithm];
  return hex === undefined ? undefined : hex === expected.hex;
}
