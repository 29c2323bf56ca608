import { type BlobInfo, isHexDigest } from '@waybill/contracts';
import type { ObjectInfo } from './s3-objects.js';

/**
 * What lies in a bucket, below the store's prefix: `blobs/<sha256>` the bodies, `by-sha512/<sha512>` the sha256 of a body;
 * and empty objects whose time counts: `used/<sha256>` of a use after the body was stored, `doomed/<sha256>` of the decision that
 * it goes.
 */
export const blobsPrefix = 'blobs/';
export const doomedPrefix = 'doomed/';
export const usedPrefix = 'used/';

export function blobKey(sha256: string): string {
  return `${blobsPrefix}${sha256}`;
}

export function doomedKey(sha256: string): string {
  return `${doomedPrefix}${sha256}`;
}

export function usedKey(sha256: string): string {
  return `${usedPrefix}${sha256}`;
}

export function pointerKey(sha512: string): string {
  return `by-sha512/${sha512}`;
}

/** Stored beside a body, so that its digests are known without its bytes. */
export function metadataOf({ digests }: BlobInfo): Record<string, string> {
  return { sha1: digests.sha1, ...(digests.sha512 !== undefined && { sha512: digests.sha512 }) };
}

/** What {@link metadataOf} said; undefined for an object that somebody else stored. */
export function blobInfoOf(sha256: string, { size, metadata }: ObjectInfo): BlobInfo | undefined {
  const { sha1 = '', sha512 = '' } = metadata;
  if (!isHexDigest('sha1', sha1)) return undefined;
  return { size, digests: { sha1, sha256, ...(isHexDigest('sha512', sha512) && { sha512 }) } };
}
