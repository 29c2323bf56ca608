import type { StatementRunner } from '@waybill/database';
import type { CacheBlob, CacheEntry, CacheEntryKind, CacheWriter } from '../cache-store.js';
import type { Lists } from './lists.js';
import type { HeldNamespace, Transaction } from './write-queue.js';

/** An entry with what callers do not see. */
export interface StoredEntry {
  readonly id: number;
  readonly leaseUntil: number;
  readonly entry: CacheEntry;
}

export const entryColumns = `e.id, n.name, e.kind, e.key, e.sha256, e.size, e.metadata, e.principal, e.client, e.address,
  e.created_at, e.used_at, e.lease_until, e.expires_at, e.pinned`;

export function toStoredEntry(row: readonly unknown[], references: readonly CacheBlob[]): StoredEntry {
  const [
    id,
    namespace,
    kind,
    key,
    sha256,
    size,
    metadata,
    principal,
    client,
    address,
    created,
    used,
    lease,
    expires,
    pinned,
  ] = row;
  return {
    id: Number(id),
    leaseUntil: Number(lease),
    entry: {
      namespace: String(namespace),
      kind: kind as CacheEntryKind,
      key: String(key),
      value: { sha256: String(sha256), size: Number(size) },
      references,
      metadata: JSON.parse(String(metadata)),
      writer: toWriter(principal, client, address),
      createdAt: new Date(Number(created)),
      usedAt: new Date(Number(used)),
      expiresAt: expires === null ? undefined : new Date(Number(expires)),
      pinned: Number(pinned) !== 0,
    },
  };
}

export function toWriter(principal: unknown, client: unknown, address: unknown): CacheWriter {
  return {
    principal: String(principal),
    ...(client !== null && { client: String(client) }),
    ...(address !== null && { address: String(address) }),
  };
}

/**
 * References of entries, in their order, the value left out. An entry that is not in the answer is gone: its references go with it, and
 * outside of a transaction that may be just now.
 */
export async function referencesOf(
  runner: StatementRunner,
  lists: Lists,
  entries: readonly number[],
): Promise<ReadonlyMap<number, readonly CacheBlob[]>> {
  const found = new Map<number, CacheBlob[]>();
  if (entries.length === 0) return found;
  const rows = await runner.rows(
    `select entry, place, sha256, size from cache_references where entry in ${lists.numbers} order by entry, place`,
    [JSON.stringify(entries)],
  );
  for (const [entry, place, sha256, size] of rows) {
    const list = found.get(Number(entry)) ?? [];
    // At place 0 is the value, which every entry has.
    if (Number(place) > 0) list.push({ sha256: String(sha256), size: Number(size) });
    found.set(Number(entry), list);
  }
  return found;
}

/** What is to be written. */
export interface NewEntry {
  readonly kind: CacheEntryKind;
  readonly key: string;
  readonly value: CacheBlob;
  /** The value and the references, as a parameter. */
  readonly needs: string;
  readonly metadata: string;
  readonly writer: CacheWriter;
  readonly leaseUntil: number;
  readonly expiresAt: number | null;
  readonly pinned: boolean;
}

/** Its blobs were looked for in the same transaction. */
export async function insertEntry(transaction: Transaction, namespace: HeldNamespace, entry: NewEntry): Promise<void> {
  const { now, lists } = transaction;
  const { kind, key, value, needs, metadata, writer, leaseUntil, expiresAt, pinned } = entry;
  const [row] = await transaction.rows(
    `insert into cache_entries (namespace, kind, key, sha256, size, metadata, principal, client, address, created_at, used,
       used_at, lease_until, expires_at, pinned)
     values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) returning id`,
    [
      namespace.id,
      kind,
      key,
      value.sha256,
      value.size,
      metadata,
      writer.principal,
      writer.client ?? null,
      writer.address ?? null,
      now,
      namespace.sequence,
      now,
      leaseUntil,
      expiresAt,
      pinned ? 1 : 0,
    ],
  );
  await transaction.rows(
    `insert into cache_references (entry, place, namespace, sha256, size)
     select cast(? as bigint), place, cast(? as bigint), sha256, size from ${lists.blobs} w where true`,
    [Number(row?.[0]), namespace.id, needs],
  );
  await transaction.rows(
    `update cache_blobs set refs = refs + 1 where namespace = ? and sha256 in (select sha256 from ${lists.blobs} l)`,
    [namespace.id, needs],
  );
  namespace.entries += 1;
}

/** Its blobs stay, and are counted as used by one name less. */
export async function deleteEntry(transaction: Transaction, namespace: HeldNamespace, id: number): Promise<void> {
  await transaction.rows(
    `update cache_blobs set refs = refs - 1
     where namespace = ? and sha256 in (select sha256 from cache_references where entry = ?)`,
    [namespace.id, id],
  );
  await transaction.rows('delete from cache_references where entry = ?', [id]);
  const gone = await transaction.rows('delete from cache_entries where id = ? returning id', [id]);
  namespace.entries -= gone.length;
}
