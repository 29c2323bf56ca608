import type { CacheBlob, CachePublication, CacheWriter, NamespaceRules, PublishOutcome } from '../cache-store.js';
import { missingError, tooLargeError } from '../errors.js';
import { checkKey, overwriteRule } from '../rules.js';
import { cleanWriter, writeAudit } from './audit.js';
import { findBlobs, isEmptyBlob } from './blob-rows.js';
import { leaseEnd } from './context.js';
import { deleteEntry, entryColumns, insertEntry, referencesOf, type StoredEntry, toStoredEntry } from './entry-rows.js';
import { blobsParameter } from './lists.js';
import { extendFound, renewEntry } from './lookup.js';
import type { HeldNamespace, Transaction } from './write-queue.js';

const mostMetadata = 64 * 1024;

/** Where and by whom. */
export interface PublishScene {
  /** The namespace, and those that it reads through to. */
  readonly chain: readonly string[];
  readonly rules: NamespaceRules;
  readonly leaseMs: number;
  readonly writer: CacheWriter;
}

/** A publication that was looked at: what is left can only be answered by the index. */
export interface CheckedPublication extends CachePublication {
  readonly references: readonly CacheBlob[];
  readonly metadataText: string;
}

/** @throws CacheStoreError CACHE_KEY_INVALID, CACHE_BLOB_TOO_LARGE, CACHE_BLOB_MISSING */
export function checkPublication(publication: CachePublication): CheckedPublication {
  const keys = [...new Set(publication.keys)];
  for (const key of keys) checkKey(key);
  const references = publication.references ?? [];
  for (const blob of [publication.value, ...references]) if (!isBlob(blob)) throw missingError(blob);
  const metadataText = JSON.stringify(publication.metadata ?? {});
  if (Buffer.byteLength(metadataText) > mostMetadata) {
    throw tooLargeError(Buffer.byteLength(metadataText), mostMetadata);
  }
  return { ...publication, keys, references, metadataText };
}

export function isBlob({ sha256, size }: CacheBlob): boolean {
  return /^[0-9a-f]{64}$/.test(sha256) && Number.isSafeInteger(size) && size >= 0;
}

/** @throws CacheStoreError CACHE_BLOB_MISSING */
export async function publish(
  transaction: Transaction,
  publication: CheckedPublication,
  scene: PublishScene,
): Promise<PublishOutcome> {
  const { chain, rules, leaseMs, writer } = scene;
  const held = chain.map((name) => transaction.held(name));
  const namespace = transaction.held(chain[0] ?? '');
  const { kind, keys, value, references, metadataText } = publication;
  const needs = [value, ...references].filter((blob) => !isEmptyBlob(blob));
  const found = await findBlobs(transaction, transaction.lists, held, needs);
  const missing = needs.find((_, place) => !found.has(place));
  if (missing) throw missingError(missing);
  const old = await entriesOf(transaction, namespace.id, kind, keys);
  const isFirstWins = overwriteRule(rules, kind, publication.overwrite) === 'first-wins';
  const isSame = ({ entry }: StoredEntry) =>
    isFirstWins ? isSameBlob(entry.value, value) : isSameEntry(entry, publication);
  const standing: StoredEntry[] = [];
  const others: StoredEntry[] = [];
  for (const stored of old) {
    if (isExpired(stored, transaction.now) || !(await isWhole(transaction, held, stored))) {
      await deleteEntry(transaction, namespace, stored.id);
    } else if (isSame(stored)) standing.push(stored);
    else others.push(stored);
  }
  const audit = { namespace: namespace.name, kind, sha256: value.sha256, writer };
  if (others.length > 0 && isFirstWins) {
    const detail = `has ${others[0]?.entry.value.sha256}`;
    await writeAudit(transaction, transaction.now, { ...audit, action: 'refuse', key: others[0]?.entry.key, detail });
    return 'exists';
  }
  for (const stored of standing) await renewEntry(transaction, chain, stored, leaseMs);
  if (standing.length === keys.length) return 'unchanged';
  await extendFound(transaction, needs, found, leaseMs);
  const pinned = new Set(others.filter(({ entry }) => entry.pinned).map(({ entry }) => entry.key));
  for (const { id } of others) await deleteEntry(transaction, namespace, id);
  const unchanged = new Set(standing.map(({ entry }) => entry.key));
  const replaced = new Set(others.map(({ entry }) => entry.key));
  for (const key of keys.filter((candidate) => !unchanged.has(candidate))) {
    await insertEntry(transaction, namespace, {
      kind,
      key,
      value,
      needs: blobsParameter([value, ...references]),
      metadata: metadataText,
      writer: cleanWriter(writer),
      leaseUntil: leaseEnd(leaseMs, transaction.now),
      expiresAt: publication.expiresAt?.getTime() ?? null,
      pinned: pinned.has(key),
    });
    await writeAudit(transaction, transaction.now, {
      ...audit,
      action: replaced.has(key) ? 'replace' : 'publish',
      key,
    });
  }
  return others.length > 0 ? 'replaced' : 'created';
}

async function entriesOf(
  transaction: Transaction,
  namespace: number,
  kind: string,
  keys: readonly string[],
): Promise<readonly StoredEntry[]> {
  const rows = await transaction.rows(
    `select ${entryColumns} from cache_entries e join cache_namespaces n on n.id = e.namespace
     where e.namespace = ? and e.kind = ? and e.key in ${transaction.lists.texts}`,
    [namespace, kind, JSON.stringify(keys)],
  );
  const references = await referencesOf(
    transaction,
    transaction.lists,
    rows.map(([id]) => Number(id)),
  );
  return rows.map((row) => toStoredEntry(row, references.get(Number(row[0])) ?? []));
}

function isExpired({ entry }: StoredEntry, now: number): boolean {
  return entry.expiresAt !== undefined && entry.expiresAt.getTime() <= now;
}

/** What nobody can be given must not keep others from publishing. */
async function isWhole(
  transaction: Transaction,
  chain: readonly HeldNamespace[],
  { entry }: StoredEntry,
): Promise<boolean> {
  const needs = [entry.value, ...entry.references].filter((blob) => !isEmptyBlob(blob));
  return (await findBlobs(transaction, transaction.lists, chain, needs)).size === needs.length;
}

function isSameBlob(a: CacheBlob, b: CacheBlob): boolean {
  return a.sha256 === b.sha256 && a.size === b.size;
}

function isSameEntry(
  { value, references, metadata, expiresAt }: StoredEntry['entry'],
  wanted: CheckedPublication,
): boolean {
  return (
    isSameBlob(value, wanted.value) &&
    JSON.stringify(metadata) === wanted.metadataText &&
    expiresAt?.getTime() === wanted.expiresAt?.getTime() &&
    references.length === wanted.references.length &&
    references.every((blob, at) => isSameBlob(blob, wanted.references[at] as CacheBlob))
  );
}
