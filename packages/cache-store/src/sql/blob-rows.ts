import type { StatementRunner } from '@waybill/database';
import type { CacheBlob } from '../cache-store.js';
import { fullError } from '../errors.js';
import { emptySha256 } from '../rules.js';
import { leaseEnd } from './context.js';
import { blobsParameter, type Lists } from './lists.js';
import type { KnownNamespace } from './namespace-ids.js';
import type { HeldNamespace, Transaction } from './write-queue.js';

/** Where a blob was found. */
export interface FoundBlob {
  readonly size: number;
  /** Name of the namespace that has it: the first in the order asked. */
  readonly namespace: string;
  /** ms */
  readonly leaseUntil: number;
}

export function isEmptyBlob({
  sha256,
  size,
}: {
  readonly sha256: string;
  readonly size?: number | undefined;
}): boolean {
  return sha256 === emptySha256 && (size ?? 0) === 0;
}

/**
 * Looks blobs up in namespaces.
 * @param chain the namespace and those that it reads through to
 * @returns by their place in `blobs`; those that are not there, or have another size, are left out
 */
export async function findBlobs(
  runner: StatementRunner,
  lists: Lists,
  chain: readonly KnownNamespace[],
  blobs: readonly CacheBlob[],
): Promise<ReadonlyMap<number, FoundBlob>> {
  const found = new Map<number, FoundBlob>();
  if (chain.length === 0 || blobs.length === 0) return found;
  // A cross join is what makes SQLite go through the list, and not through all blobs for each of it.
  const rows = await runner.rows(
    `select w.place, b.namespace, b.lease_until, b.size from ${lists.blobs} w cross join cache_blobs b
     where b.namespace in (${chain.map(({ id }) => id).join(', ')}) and b.sha256 = w.sha256 and b.size = w.size`,
    [blobsParameter(blobs)],
  );
  const rank = new Map(chain.map(({ id }, at) => [id, at]));
  const best = new Map<number, number>();
  for (const [place, id, leaseUntil, size] of rows) {
    const at = Number(place);
    const rankHere = rank.get(Number(id)) ?? 0;
    if ((best.get(at) ?? Number.POSITIVE_INFINITY) < rankHere) continue;
    best.set(at, rankHere);
    const namespace = chain[rankHere]?.name ?? '';
    found.set(at, { namespace, leaseUntil: Number(leaseUntil), size: Number(size) });
  }
  return found;
}

/** Extends leases, and counts as use. */
export async function extendBlobs(
  transaction: Transaction,
  namespace: HeldNamespace,
  sha256s: readonly string[],
  leaseMs: number,
): Promise<void> {
  if (sha256s.length === 0) return;
  const until = leaseEnd(leaseMs, transaction.now);
  await transaction.rows(
    `update cache_blobs set used = ?, lease_until = case when lease_until > ? then lease_until else ? end
     where namespace = ? and sha256 in ${transaction.lists.texts}`,
    [namespace.sequence, until, until, namespace.id, JSON.stringify(sha256s)],
  );
}

/**
 * Makes a blob visible in a namespace. Its bytes are durable already.
 * @throws CacheStoreError CACHE_FULL
 */
export async function addBlob(
  transaction: Transaction,
  namespace: HeldNamespace,
  { sha256, size }: CacheBlob,
  { leaseMs, hardLimitBytes }: { readonly leaseMs: number; readonly hardLimitBytes: number },
): Promise<void> {
  const until = leaseEnd(leaseMs, transaction.now);
  const known = await transaction.rows(
    `update cache_blobs set used = ?, lease_until = case when lease_until > ? then lease_until else ? end
     where namespace = ? and sha256 = ? returning size`,
    [namespace.sequence, until, until, namespace.id, sha256],
  );
  if (known.length > 0) return;
  if (namespace.bytes + size > hardLimitBytes) throw fullError(namespace.name, size);
  // Names that need it may be here already, when another namespace had the blob until now.
  await transaction.rows(
    `insert into cache_blobs (namespace, sha256, size, used, lease_until, refs)
     select cast(? as bigint), cast(? as text), cast(? as bigint), cast(? as bigint), cast(? as bigint), count(distinct entry)
     from cache_references where sha256 = ? and namespace = ?`,
    [namespace.id, sha256, size, namespace.sequence, until, sha256, namespace.id],
  );
  await transaction.rows('delete from cache_doomed where sha256 = ?', [sha256]);
  namespace.bytes += size;
  namespace.blobs += 1;
}

/** Takes blobs out of a namespace, and notes that their bytes may be nobody's now. Names that need them are gone already. */
export async function removeBlobs(
  transaction: Transaction,
  namespace: HeldNamespace,
  sha256s: readonly string[],
): Promise<readonly CacheBlob[]> {
  if (sha256s.length === 0) return [];
  const rows = await transaction.rows(
    `delete from cache_blobs where namespace = ? and sha256 in ${transaction.lists.texts} returning sha256, size`,
    [namespace.id, JSON.stringify(sha256s)],
  );
  const removed = rows.map(([sha256, size]) => ({ sha256: String(sha256), size: Number(size) }));
  await doom(
    transaction,
    removed.map(({ sha256 }) => sha256),
  );
  namespace.blobs -= removed.length;
  namespace.bytes -= removed.reduce((sum, { size }) => sum + size, 0);
  return removed;
}

/** Notes that bytes may be nobody's: the sweep looks, and removes them. */
export async function doom(transaction: Transaction, sha256s: readonly string[]): Promise<void> {
  for (const sha256 of sha256s) {
    await transaction.rows(
      'insert into cache_doomed (sha256, since) values (?, ?) on conflict (sha256) do update set since = excluded.since',
      [sha256, transaction.now],
    );
  }
}
