import type { BlobStore } from '@waybill/contracts';

/** One place where blobs are kept, and what a test must be able to do to it from outside. */
export interface BlobStoreHarness {
  /** Opens the store on the same place; the previous one is closed by then. */
  open(): Promise<BlobStore>;
  /** Bodies up to this size are kept in another way than larger ones; the tests go around it. At least 1 KiB. */
  readonly smallBytes: number;
  /** How many small bodies are many. Default 20 000. */
  readonly manyBodies?: number;
  /** Changes stored bytes of the blob behind the store's back. The store is open. */
  damage(sha256: string): Promise<void>;
  /** Names of anything that belongs to no blob: temporary files, unfinished uploads. */
  leftovers(): Promise<readonly string[]>;
  /** Removes the place. */
  remove(): Promise<void>;
}

/** What a test of the suite works on. */
export interface Scene {
  readonly harness: BlobStoreHarness;
  /** Another one after {@link reopen}. */
  readonly store: BlobStore;
  reopen(): Promise<void>;
  /** A small and a large body, so that both ways of keeping bytes are covered. */
  kinds(): [string, Buffer][];
}
