import { createHash } from 'node:crypto';
import type { Result } from '@waybill/contracts';
import type { Range } from './history.js';

/** Bytes that an upstream sent or could send. */
export interface BodyFacts {
  readonly size: number;
  /** Lower-case hex. */
  readonly sha512: string;
  /** False for what no inspector may approve even when an index lists it, such as a tarball of another package. */
  readonly isSound: boolean;
  /** The bytes, where ranges of them are asked for. */
  readonly bytes?: Uint8Array | undefined;
}

/** An index that a registry sent: URL → sha512 (lower-case hex) of what may be there. */
export type Listing = ReadonlyMap<string, string>;

/** What really lies behind the URLs, independent of what the daemon says of it. */
export interface Truth {
  /** URL → sha256 that the configuration names. */
  readonly pinned: ReadonlyMap<string, string>;
  /** sha256 of an index → what it lists; those that no inspector may approve are not here. */
  readonly indexes: ReadonlyMap<string, Listing>;
  /** URL of an index. */
  readonly isIndex: (url: string) => boolean;
  /** sha256 → facts. Bodies that are not here came from an upstream that nobody described. */
  readonly bodies: ReadonlyMap<string, BodyFacts>;
  /** URLs whose bodies another test judges (git packs). */
  readonly isTrusted: (url: string) => boolean;
}

/** What has to be said of a body. */
export interface Case {
  readonly url: string;
  readonly sha256: string;
  /** What the indexes list that this session approved. */
  readonly listings: readonly Listing[];
}

/**
 * The verdict that is right for a body, undefined when both are: an index that lists it may have been approved only after the
 * download.
 */
export function rightVerdict(truth: Truth, { url, sha256, listings }: Case): Result | undefined {
  if (truth.isTrusted(url)) return undefined;
  const pinned = truth.pinned.get(url);
  if (pinned !== undefined) return pinned === sha256 ? 'Approved' : 'Rejected';
  if (truth.isIndex(url)) return truth.indexes.has(sha256) ? 'Approved' : 'Rejected';
  const facts = truth.bodies.get(sha256);
  const isListed = facts?.isSound === true && listings.some((listing) => listing.get(url) === facts.sha512);
  return isListed ? undefined : 'Rejected';
}

/** Whether every index that the session approved says the same of a URL. */
export function isUndisputed(url: string, listings: readonly Listing[]): boolean {
  return new Set(listings.flatMap((listing) => listing.get(url) ?? [])).size <= 1;
}

/** sha256 of a part of a body, undefined when its bytes are not known. */
export function digestOfPart(truth: Truth, sha256: string | undefined, { start, end }: Range): string | undefined {
  const bytes = truth.bodies.get(sha256 ?? '')?.bytes;
  return (
    bytes &&
    createHash('sha256')
      .update(bytes.subarray(start, end + 1))
      .digest('hex')
  );
}
