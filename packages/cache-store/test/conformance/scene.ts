import { createHash, randomBytes } from 'node:crypto';
import type { BlobStore } from '@waybill/contracts';
import type { FixedClock } from '@waybill/testkit';
import { expect } from 'vitest';
import type { CacheBlob, CacheNamespace, CacheStore, CacheWriter, NamespaceRules } from '../../src/index.js';

/** A place for a cache; rules may be changed while it is open. */
export interface CacheStoreHarness {
  readonly clock: FixedClock;
  /** The bytes; undefined where there is no such store. */
  readonly blobs?: BlobStore;
  open(rules: (namespace: string) => NamespaceRules | undefined): Promise<CacheStore>;
  remove(): Promise<void>;
}

/** What the cases of the suite work with. */
export interface Scene {
  readonly blobs: BlobStore;
  readonly store: CacheStore;
  readonly clock: FixedClock;
  readonly rules: Map<string, NamespaceRules>;
  reopen(): Promise<void>;
}

export const alice: CacheWriter = { principal: 'alice', client: 'suite/1', address: '192.0.2.7' };
export const leaseMs = 60_000;

export function digest(bytes: Uint8Array | string): string {
  return createHash('sha256').update(bytes).digest('hex');
}

export function blobOf(bytes: Uint8Array | string): CacheBlob {
  return { sha256: digest(bytes), size: Buffer.byteLength(bytes as string) };
}

export function random(size: number): Buffer {
  return randomBytes(size);
}

export async function put(namespace: CacheNamespace, bytes: Uint8Array | string): Promise<CacheBlob> {
  const upload = await namespace.upload({ writer: alice, ...blobOf(bytes) });
  await upload.write(Buffer.from(bytes as string));
  return await upload.commit();
}

export async function textOf(namespace: CacheNamespace, blob: CacheBlob): Promise<string | undefined> {
  return (await namespace.read(blob))?.toString();
}

export async function expectCode(promise: Promise<unknown>, code: string): Promise<void> {
  await expect(promise).rejects.toMatchObject({ code });
}

export async function all<Item>(items: AsyncIterable<Item>): Promise<Item[]> {
  const found: Item[] = [];
  for await (const item of items) found.push(item);
  return found;
}
