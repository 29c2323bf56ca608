import type { CacheBlob, CacheEntry, CacheEntryKind } from '../cache-store.js';
import { extendBlobs, findBlobs, isEmptyBlob } from './blob-rows.js';
import { leaseEnd, type StoreContext } from './context.js';
import { deleteEntry, entryColumns, referencesOf, type StoredEntry, toStoredEntry } from './entry-rows.js';
import type { Transaction } from './write-queue.js';

/** Tries again when the index changes between two looks. */
const attempts = 5;

/**
 * The entry of the first key that has one, in the namespace or one that it reads through to, with all that it needs under a
 * lease. An entry that lacks something is removed on the way.
 */
export async function lookup(
  context: StoreContext,
  chain: readonly string[],
  kind: CacheEntryKind,
  keys: readonly string[],
): Promise<CacheEntry | undefined> {
  for (let attempt = 1; attempt <= attempts; attempt++) {
    const candidate = await findCandidate(context, chain, kind, keys);
    if (!candidate) return undefined;
    if (candidate === 'replaced') continue;
    const own = chain.slice(chain.indexOf(candidate.entry.namespace));
    if (await isLeased(context, own, candidate)) return candidate.entry;
    const renewed = await context.writes.run({
      namespaces: own,
      run: (transaction) => renewEntry(transaction, own, candidate, context.leaseMs),
    });
    if (renewed) return candidate.entry;
  }
  return undefined;
}

async function findCandidate(
  { database, lists, clock }: StoreContext,
  chain: readonly string[],
  kind: CacheEntryKind,
  keys: readonly string[],
): Promise<StoredEntry | 'replaced' | undefined> {
  const rows = await database.rows(
    `select ${entryColumns} from cache_entries e join cache_namespaces n on n.id = e.namespace
     where n.name in ${lists.texts} and e.kind = ? and e.key in ${lists.texts} and (e.expires_at is null or e.expires_at > ?)`,
    [JSON.stringify(chain), kind, JSON.stringify(keys), clock.now().getTime()],
  );
  const found = rows.map((row) => toStoredEntry(row, []));
  const rank = ({ entry }: StoredEntry) => chain.indexOf(entry.namespace) * keys.length + keys.indexOf(entry.key);
  const [first] = found.sort((a, b) => rank(a) - rank(b));
  if (!first) return undefined;
  const references = (await referencesOf(database, lists, [first.id])).get(first.id);
  // Between the two questions another may have set the name: half of one entry is none.
  if (!references) return 'replaced';
  return { ...first, entry: { ...first.entry, references } };
}

function needsOf({ value, references }: CacheEntry): readonly CacheBlob[] {
  return [value, ...references].filter((blob) => !isEmptyBlob(blob));
}

/** Whether all leases, looked at without a transaction, last as long as is promised. */
async function isLeased(
  { database, lists, clock, leaseMs, ids }: StoreContext,
  chain: readonly string[],
  { entry, leaseUntil }: StoredEntry,
): Promise<boolean> {
  const wanted = clock.now().getTime() + leaseMs;
  if (leaseUntil < wanted || leaseMs === 0) return false;
  const needs = needsOf(entry);
  const found = await findBlobs(database, lists, await ids.of(chain), needs);
  return found.size === needs.length && [...found.values()].every((blob) => blob.leaseUntil >= wanted);
}

/** @returns whether the entry is still there and whole; if not whole, it is there no more. */
export async function renewEntry(
  transaction: Transaction,
  chain: readonly string[],
  { id, entry }: StoredEntry,
  leaseMs: number,
): Promise<boolean> {
  const namespace = transaction.held(entry.namespace);
  const [row] = await transaction.rows('select 1 from cache_entries where id = ?', [id]);
  if (!row) return false;
  const needs = needsOf(entry);
  const held = chain.map((name) => transaction.held(name));
  const found = await findBlobs(transaction, transaction.lists, held, needs);
  if (found.size < needs.length) {
    await deleteEntry(transaction, namespace, id);
    return false;
  }
  await extendFound(transaction, needs, found, leaseMs);
  await transaction.rows('update cache_entries set used = ?, used_at = ?, lease_until = ? where id = ?', [
    namespace.sequence,
    transaction.now,
    leaseEnd(leaseMs, transaction.now),
    id,
  ]);
  return true;
}

/** Extends the lease of each blob where it was found. */
export async function extendFound(
  transaction: Transaction,
  blobs: readonly CacheBlob[],
  found: ReadonlyMap<number, { readonly namespace: string }>,
  leaseMs: number,
): Promise<void> {
  const byNamespace = Map.groupBy(found, ([, { namespace }]) => namespace);
  for (const [name, places] of byNamespace) {
    const sha256s = places.map(([place]) => blobs[place]?.sha256 ?? '');
    await extendBlobs(transaction, transaction.held(name), sha256s, leaseMs);
  }
}
