import { isWaybillError } from '@waybill/contracts';
import type { CacheEntryKind, FsckFinding } from '../cache-store.js';
import { emptySha256 } from '../rules.js';
import { doom, findBlobs } from './blob-rows.js';
import type { StoreContext } from './context.js';
import { damaged } from './damage.js';
import { deleteEntry } from './entry-rows.js';
import type { KnownNamespace } from './namespace-ids.js';
import type { HeldNamespace, Transaction } from './write-queue.js';

const perPage = 500;
const atOnce = 16;

/** What to look for, and in what. */
export interface FsckScene {
  readonly context: StoreContext;
  readonly verify: boolean;
  readonly repair: boolean;
  /** Bytes stored later than this may be on their way into the index. */
  readonly unknownBefore: Date;
  chainOf(namespace: string): readonly string[];
  names(): Promise<readonly string[]>;
}

/** Looks at everything, a page at a time, while others read and write. */
export async function* fsck(scene: FsckScene): AsyncGenerator<FsckFinding> {
  yield* damagedBlobs(scene);
  yield* unknownBlobs(scene);
  for (const name of await scene.names()) {
    yield* incompleteEntries(scene, name);
    yield* wrongUsage(scene, name);
  }
}

async function* damagedBlobs({ context, verify, repair }: FsckScene): AsyncGenerator<FsckFinding> {
  for (let after = ''; ; ) {
    const rows = await context.database.rows(
      'select sha256, max(size) from cache_blobs where sha256 > ? group by sha256 order by sha256 limit ?',
      [after, perPage],
    );
    for (let from = 0; from < rows.length; from += atOnce) {
      const some = rows.slice(from, from + atOnce);
      const problems = await Promise.all(
        some.map(async ([sha256, size]) => {
          const problem = await problemOf(context, String(sha256), Number(size), verify);
          return problem && { problem, sha256: String(sha256) };
        }),
      );
      for (const found of problems) {
        if (!found || !(await isKnown(context, found.sha256))) continue;
        if (repair) await damaged(context, found.sha256);
        yield { ...found, repaired: repair };
      }
    }
    if (rows.length < perPage) return;
    after = String(rows.at(-1)?.[0]);
  }
}

async function problemOf(
  { blobs }: StoreContext,
  sha256: string,
  size: number,
  verify: boolean,
): Promise<'blob-missing' | 'blob-corrupt' | undefined> {
  const info = await blobs.stat(sha256);
  if (!info) return 'blob-missing';
  if (info.size !== size) return 'blob-corrupt';
  if (!verify) return undefined;
  try {
    // The stream compares by itself when it is read whole.
    for await (const _ of blobs.open(sha256));
    return undefined;
  } catch (error) {
    if (!isWaybillError(error)) throw error;
    if (error.code === 'BLOB_CORRUPT') return 'blob-corrupt';
    if (error.code === 'BLOB_NOT_FOUND') return 'blob-missing';
    throw error;
  }
}

/** It may have been evicted while it was looked at. */
async function isKnown({ database }: StoreContext, sha256: string): Promise<boolean> {
  return (await database.rows('select 1 from cache_blobs where sha256 = ? limit 1', [sha256])).length > 0;
}

/** Bytes that the index does not know of: an upload that was killed, or an index that was set back. */
export async function* unknownBlobs({
  context,
  repair,
  unknownBefore,
}: Pick<FsckScene, 'context' | 'repair' | 'unknownBefore'>): AsyncGenerator<FsckFinding> {
  let page: string[] = [];
  const check = async (): Promise<readonly FsckFinding[]> => {
    const unknown = await unknownOf(context, page);
    page = [];
    if (repair && unknown.length > 0) {
      await context.writes.run({ namespaces: [], run: (transaction) => doom(transaction, unknown) });
    }
    return unknown.map((sha256) => ({ problem: 'blob-unknown', sha256, repaired: repair }));
  };
  for await (const { sha256, usedAt } of context.blobs.entries()) {
    if (usedAt >= unknownBefore) continue;
    page.push(sha256);
    if (page.length >= perPage) yield* await check();
  }
  yield* await check();
}

async function unknownOf({ database, lists }: StoreContext, sha256s: readonly string[]): Promise<readonly string[]> {
  if (sha256s.length === 0) return [];
  const list = JSON.stringify(sha256s);
  const rows = await database.rows(
    `select sha256 from cache_blobs where sha256 in ${lists.texts} union select sha256 from cache_doomed where sha256 in ${lists.texts}`,
    [list, list],
  );
  const known = new Set(rows.map(([sha256]) => String(sha256)));
  return sha256s.filter((sha256) => !known.has(sha256));
}

async function* incompleteEntries(scene: FsckScene, name: string): AsyncGenerator<FsckFinding> {
  const { context, repair } = scene;
  const { database } = context;
  const namespaces = await context.ids.of(scene.chainOf(name));
  for (let after = 0; ; ) {
    const rows = await database.rows(
      `select e.id, e.kind, e.key from cache_entries e join cache_namespaces n on n.id = e.namespace
       where n.name = ? and e.id > ? and exists (
         select 1 from cache_references r where r.entry = e.id and r.sha256 <> ? and not exists (
           select 1 from cache_blobs b where b.namespace in (${namespaces.map(({ id }) => id).join(', ')})
             and b.sha256 = r.sha256 and b.size = r.size))
       order by e.id limit ?`,
      [name, after, emptySha256, perPage],
    );
    for (const [id, kind, key] of rows) {
      const entry = { namespace: name, kind: kind as CacheEntryKind, key: String(key) };
      const isStill = await context.writes.run({
        namespaces: [name],
        run: (transaction) => dropIncomplete(transaction, namespaces, Number(id), repair),
      });
      if (isStill) yield { problem: 'entry-incomplete', ...entry, repaired: repair };
    }
    if (rows.length < perPage) return;
    after = Number(rows.at(-1)?.[0]);
  }
}

async function dropIncomplete(
  transaction: Transaction,
  chain: readonly KnownNamespace[],
  id: number,
  repair: boolean,
): Promise<boolean> {
  const rows = await transaction.rows(
    'select r.sha256, r.size from cache_references r where r.entry = ? and r.sha256 <> ?',
    [id, emptySha256],
  );
  const needs = rows.map(([sha256, size]) => ({ sha256: String(sha256), size: Number(size) }));
  const found = await findBlobs(transaction, transaction.lists, chain, needs);
  if (found.size === needs.length) return false;
  if (repair) await deleteEntry(transaction, transaction.held(chain[0]?.name ?? ''), id);
  return true;
}

async function* wrongUsage({ context, repair }: FsckScene, name: string): AsyncGenerator<FsckFinding> {
  const isWrong = await context.writes.run({
    namespaces: [name],
    run: (transaction) => recount(transaction, transaction.held(name), repair),
  });
  if (isWrong) yield { problem: 'usage-wrong', namespace: name, repaired: repair };
}

async function recount(transaction: Transaction, namespace: HeldNamespace, repair: boolean): Promise<boolean> {
  const [blobs] = await transaction.rows(
    'select coalesce(sum(size), 0), count(*) from cache_blobs where namespace = ?',
    [namespace.id],
  );
  const [entries] = await transaction.rows('select count(*) from cache_entries where namespace = ?', [namespace.id]);
  const real = { bytes: Number(blobs?.[0]), blobs: Number(blobs?.[1]), entries: Number(entries?.[0]) };
  const isSame = real.bytes === namespace.bytes && real.blobs === namespace.blobs && real.entries === namespace.entries;
  const references =
    '(select count(distinct r.entry) from cache_references r where r.sha256 = cache_blobs.sha256 and r.namespace = cache_blobs.namespace)';
  const [wrong] = await transaction.rows(
    `select count(*) from cache_blobs where namespace = ? and refs <> ${references}`,
    [namespace.id],
  );
  if (isSame && Number(wrong?.[0]) === 0) return false;
  if (repair) {
    Object.assign(namespace, real);
    await transaction.rows(`update cache_blobs set refs = ${references} where namespace = ?`, [namespace.id]);
  }
  return true;
}
