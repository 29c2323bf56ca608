import type { CacheEntryKind, NamespaceRules } from '../cache-store.js';
import { removeBlobs } from './blob-rows.js';
import { deleteEntry } from './entry-rows.js';
import type { Readers } from './readers.js';
import type { HeldNamespace, Transaction } from './write-queue.js';

/** Removals of one transaction: others wait for as long as it takes. */
const perStep = 25;
const blobsPerLook = 200;

/** What was removed so far. */
export interface Removed {
  entries: number;
  blobs: number;
  bytes: number;
  readonly names: { readonly namespace: string; readonly kind: CacheEntryKind; readonly key: string }[];
}

const keptNames = 1000;

export function nothingRemoved(): Removed {
  return { entries: 0, blobs: 0, bytes: 0, names: [] };
}

export function addRemoved(to: Removed, { entries, blobs, bytes, names }: Removed): void {
  to.entries += entries;
  to.blobs += blobs;
  to.bytes += bytes;
  to.names.push(...names.slice(0, keptNames - to.names.length));
}

/** A step's work, and whether there may be more to do. */
export interface EvictionStep {
  readonly removed: Removed;
  readonly isDone: boolean;
}

type Candidate = readonly [id: number, kind: string, key: string, used: number];

/**
 * Removes what was not used for the longest time until `target` bytes are left: names before the blobs that only they need.
 * Pinned names, leased ones, and blobs that are leased or being read stay.
 */
export async function evict(
  transaction: Transaction,
  namespace: HeldNamespace,
  target: number,
  readers: Readers,
): Promise<EvictionStep> {
  const removed = nothingRemoved();
  for (let count = 0; count < perStep; count++) {
    if (namespace.bytes <= target) return { removed, isDone: true };
    const entry = await oldestEntry(transaction, namespace);
    const blobs = await freeBlobs(transaction, namespace, readers, entry?.[3]);
    const some = untilEnough(blobs, namespace.bytes - target);
    if (some.length > 0) await take(transaction, namespace, some, removed);
    else if (entry) await takeEntry(transaction, namespace, entry, { readers, removed });
    else return { removed, isDone: true };
  }
  return { removed, isDone: false };
}

/** Removes names that are over, or that nobody used for as long as the rules say, and blobs without a name likewise. */
export async function expire(
  transaction: Transaction,
  namespace: HeldNamespace,
  { unusedMs }: NamespaceRules,
  readers: Readers,
): Promise<EvictionStep> {
  const removed = nothingRemoved();
  const { now } = transaction;
  const over = await transaction.rows(
    'select id, kind, key, used from cache_entries where namespace = ? and expires_at <= ? order by expires_at limit ?',
    [namespace.id, now, perStep],
  );
  const unused =
    unusedMs === undefined
      ? []
      : await transaction.rows(
          `select id, kind, key, used from cache_entries
           where namespace = ? and pinned = 0 and used_at <= ? and lease_until <= ? order by used limit ?`,
          [namespace.id, now - unusedMs, now, perStep],
        );
  const entries = new Map([...over, ...unused].map((row) => [Number(row[0]), toCandidate(row)]));
  for (const entry of entries.values()) await takeEntry(transaction, namespace, entry, { readers, removed });
  if (unusedMs === undefined) return { removed, isDone: entries.size === 0 };
  const blobs = await freeBlobs(transaction, namespace, readers, undefined, now - unusedMs);
  await take(
    transaction,
    namespace,
    blobs.map(({ sha256 }) => sha256),
    removed,
  );
  return { removed, isDone: entries.size === 0 && blobs.length === 0 };
}

function toCandidate([id, kind, key, used]: readonly unknown[]): Candidate {
  return [Number(id), String(kind), String(key), Number(used)];
}

async function oldestEntry(transaction: Transaction, { id }: HeldNamespace): Promise<Candidate | undefined> {
  const [row] = await transaction.rows(
    `select id, kind, key, used from cache_entries where namespace = ? and pinned = 0 and lease_until <= ?
     order by used, id limit 1`,
    [id, transaction.now],
  );
  return row && toCandidate(row);
}

/** Blobs that no name here needs, oldest first. @param before those used later wait for their turn @param leasedBefore ms */
async function freeBlobs(
  transaction: Transaction,
  { id }: HeldNamespace,
  readers: Readers,
  before = Number.MAX_SAFE_INTEGER,
  leasedBefore = transaction.now,
): Promise<readonly { readonly sha256: string; readonly size: number }[]> {
  const rows = await transaction.rows(
    `select sha256, size from cache_blobs where namespace = ? and refs = 0 and used <= ? and lease_until <= ?
     order by used, sha256 limit ?`,
    [id, before, leasedBefore, blobsPerLook + readers.size],
  );
  return rows
    .map(([sha256, size]) => ({ sha256: String(sha256), size: Number(size) }))
    .filter(({ sha256 }) => !readers.has(sha256));
}

function untilEnough(blobs: readonly { readonly sha256: string; readonly size: number }[], bytes: number): string[] {
  const some: string[] = [];
  let sum = 0;
  for (const { sha256, size } of blobs) {
    if (sum >= bytes) break;
    some.push(sha256);
    sum += size;
  }
  return some;
}

async function takeEntry(
  transaction: Transaction,
  namespace: HeldNamespace,
  [id, kind, key, used]: Candidate,
  { readers, removed }: { readonly readers: Readers; readonly removed: Removed },
): Promise<void> {
  const needs = await transaction.rows('select distinct sha256 from cache_references where entry = ?', [id]);
  await deleteEntry(transaction, namespace, id);
  removed.entries += 1;
  if (removed.names.length < keptNames) {
    removed.names.push({ namespace: namespace.name, kind: kind as CacheEntryKind, key });
  }
  const free = await transaction.rows(
    // The plus keeps SQLite from going through all that is free: these few are found by their names.
    `select sha256 from cache_blobs where namespace = ? and +refs = 0 and +used <= ? and lease_until <= ?
       and sha256 in ${transaction.lists.texts}`,
    [namespace.id, used, transaction.now, JSON.stringify(needs.map(([sha256]) => sha256))],
  );
  const unread = free.map(([sha256]) => String(sha256)).filter((sha256) => !readers.has(sha256));
  await take(transaction, namespace, unread, removed);
}

async function take(
  transaction: Transaction,
  namespace: HeldNamespace,
  sha256s: readonly string[],
  removed: Removed,
): Promise<void> {
  const gone = await removeBlobs(transaction, namespace, sha256s);
  removed.blobs += gone.length;
  removed.bytes += gone.reduce((sum, { size }) => sum + size, 0);
}
