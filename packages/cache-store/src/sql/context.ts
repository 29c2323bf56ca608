import type { BlobStore, Clock, Logger } from '@waybill/contracts';
import type { Database } from '@waybill/database';
import type { NamespaceRules } from '../cache-store.js';
import type { Lists } from './lists.js';
import type { NamespaceIds } from './namespace-ids.js';
import type { Readers } from './readers.js';
import type { WriteQueue } from './write-queue.js';

/** What the parts of a store share. */
export interface StoreContext {
  readonly database: Database;
  readonly lists: Lists;
  readonly writes: WriteQueue;
  readonly blobs: BlobStore;
  readonly clock: Clock;
  readonly logger: Logger;
  /** How long what was said to be there stays. */
  readonly leaseMs: number;
  rules(namespace: string): NamespaceRules | undefined;
  readonly ids: NamespaceIds;
  readonly readers: Readers;
}

/**
 * Leases are given for longer than is promised, and renewed when less than the promise is left. So what is used all the time
 * costs a write now and then, and everything else a look.
 */
export function leaseEnd(leaseMs: number, now: number): number {
  return now + leaseMs + Math.ceil(leaseMs / 2);
}
