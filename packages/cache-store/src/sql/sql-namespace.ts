import { Readable } from 'node:stream';
import type {
  CacheBlob,
  CacheEntry,
  CacheEntryKind,
  CacheNamespace,
  CachePublication,
  CacheRange,
  CacheUpload,
  CacheUploadOptions,
  CacheWriter,
  NamespaceRules,
  NamespaceUsage,
  PublishOutcome,
} from '../cache-store.js';
import { rangeError, readOnlyError, tooLargeError } from '../errors.js';
import { checkKey, emptySha256 } from '../rules.js';
import { writeAudit } from './audit.js';
import { type FoundBlob, findBlobs, isEmptyBlob } from './blob-rows.js';
import type { Collector } from './collector.js';
import type { StoreContext } from './context.js';
import { damaged } from './damage.js';
import { deleteEntry, entryColumns, referencesOf, toStoredEntry } from './entry-rows.js';
import { extendFound, lookup } from './lookup.js';
import { checkPublication, isBlob, publish } from './publish.js';
import { readGuarded } from './reading.js';
import { limitsOf, type Room } from './room.js';
import { SqlUpload } from './upload.js';
import type { Transaction } from './write-queue.js';

/** Looks at a list before one that changes under it is given as it is. */
const attempts = 5;

/** One namespace; it keeps nothing itself, so any number of them may stand for the same one. */
export class SqlNamespace implements CacheNamespace {
  readonly name: string;
  readonly rules: NamespaceRules;
  /** This namespace, and those that it reads through to. */
  readonly #chain: readonly string[];
  readonly #context: StoreContext;
  readonly #room: Room;
  readonly #collector: Collector;

  constructor(
    chain: readonly string[],
    rules: NamespaceRules,
    { context, room, collector }: { context: StoreContext; room: Room; collector: Collector },
  ) {
    this.name = chain[0] ?? '';
    this.rules = rules;
    this.#chain = chain;
    this.#context = context;
    this.#room = room;
    this.#collector = collector;
  }

  async present(blobs: readonly CacheBlob[]): Promise<readonly boolean[]> {
    const places = [...blobs.keys()].filter((at) => isWanted(blobs[at]));
    const found = await this.#leased(places.map((at) => blobs[at] as CacheBlob));
    const answers = blobs.map(isEmptyBlob);
    for (const [at, place] of places.entries()) answers[place] = found.has(at);
    return answers;
  }

  async upload(options: CacheUploadOptions): Promise<CacheUpload> {
    this.#checkWritable();
    const limits = limitsOf(this.rules);
    const size = options.size ?? 0;
    if (size > limits.body) throw tooLargeError(size, limits.body);
    await this.#room.reserve(this.name, size, limits);
    return new SqlUpload(
      {
        context: this.#context,
        namespace: this.name,
        limits,
        room: this.#room,
        options,
        onGrown: (bytes) => {
          if (bytes > limits.high) this.#collector.shrinkSoon(this.name, limits.low);
        },
        makeRoom: (bytes) => this.#collector.shrink(this.name, Math.max(0, Math.min(limits.low, limits.hard - bytes))),
      },
      size,
    );
  }

  async open(
    { sha256, size: wanted }: { readonly sha256: string; readonly size?: number | undefined },
    range?: CacheRange,
  ): Promise<{ readonly size: number; readonly stream: Readable } | undefined> {
    const found = await this.#find(sha256, wanted);
    if (!found) return undefined;
    const { size, namespace } = found;
    if (range && !(range.start >= 0 && range.start <= range.end && range.end < size)) {
      throw rangeError(range.start, range.end, size);
    }
    if (size === 0) return { size, stream: Readable.from([], { objectMode: false }) };
    const { readers, blobs } = this.#context;
    readers.enter(namespace, sha256);
    const stream = await readGuarded(blobs.open(sha256, range), {
      onDamaged: () => damaged(this.#context, sha256),
      onClosed: () => readers.leave(namespace, sha256),
    });
    return stream && { size, stream };
  }

  async read(blob: CacheBlob, atMost = 4 * 1024 * 1024): Promise<Buffer | undefined> {
    if (blob.size > atMost) return undefined;
    const opened = await this.open(blob);
    return opened && Buffer.concat(await opened.stream.toArray());
  }

  async lookup(kind: CacheEntryKind, keys: readonly string[]): Promise<CacheEntry | undefined> {
    const valid = keys.filter(isKey);
    return valid.length === 0 ? undefined : await lookup(this.#context, this.#chain, kind, valid);
  }

  async publish(publication: CachePublication, writer: CacheWriter): Promise<PublishOutcome> {
    this.#checkWritable();
    const checked = checkPublication(publication);
    const { leaseMs } = this.#context;
    const scene = { chain: this.#chain, rules: this.rules, leaseMs, writer };
    return await this.#context.writes.run({
      namespaces: this.#chain,
      run: (transaction) => publish(transaction, checked, scene),
    });
  }

  async remove(kind: CacheEntryKind, key: string, writer: CacheWriter): Promise<boolean> {
    this.#checkWritable();
    return await this.#withEntry(kind, key, async (transaction, id) => {
      const namespace = transaction.held(this.name);
      await deleteEntry(transaction, namespace, id);
      await writeAudit(transaction, transaction.now, { namespace: this.name, action: 'remove', kind, key, writer });
    });
  }

  async pin(kind: CacheEntryKind, key: string, pinned: boolean, writer: CacheWriter): Promise<boolean> {
    return await this.#withEntry(kind, key, async (transaction, id) => {
      await transaction.rows('update cache_entries set pinned = ? where id = ?', [pinned ? 1 : 0, id]);
      const action = pinned ? 'pin' : 'unpin';
      await writeAudit(transaction, transaction.now, { namespace: this.name, action, kind, key, writer });
    });
  }

  async list(query: Parameters<CacheNamespace['list']>[0]): Promise<readonly CacheEntry[]> {
    for (let attempt = 1; ; attempt++) {
      const { entries, isWhole } = await this.#listOnce(query);
      // Where names change all the time, one that is being set just now is left out rather than waited for.
      if (isWhole || attempt === attempts) return entries;
    }
  }

  /** @returns whether no name was set or removed between the two questions */
  async #listOnce({
    kind,
    prefix = '',
    after,
    limit,
  }: Parameters<CacheNamespace['list']>[0]): Promise<{ entries: readonly CacheEntry[]; isWhole: boolean }> {
    const { database, lists, clock } = this.#context;
    const conditions = ['n.name = ?', '(e.expires_at is null or e.expires_at > ?)'];
    const params: unknown[] = [this.name, clock.now().getTime()];
    const also = (condition: string, ...values: unknown[]) => {
      conditions.push(condition);
      params.push(...values);
    };
    if (kind !== undefined) also('e.kind = ?', kind);
    if (prefix !== '') {
      if (!isKey(prefix)) return { entries: [], isWhole: true };
      also('e.key >= ? and substr(e.key, 1, ?) = ?', prefix, [...prefix].length, prefix);
    }
    if (after) also('(e.kind, e.key) > (?, ?)', after.kind, after.key);
    const rows = await database.rows(
      `select ${entryColumns} from cache_entries e join cache_namespaces n on n.id = e.namespace
       where ${conditions.join(' and ')} order by e.kind, e.key limit ?`,
      [...params, limit],
    );
    const ids = rows.map(([id]) => Number(id));
    const references = await referencesOf(database, lists, ids);
    const entries = rows.flatMap((row, at) => {
      const own = references.get(ids[at] ?? 0);
      return own ? [toStoredEntry(row, own).entry] : [];
    });
    return { entries, isWhole: entries.length === rows.length };
  }

  async usage(): Promise<NamespaceUsage> {
    const [row] = await this.#context.database.rows(
      'select bytes, blobs, entries from cache_namespaces where name = ?',
      [this.name],
    );
    const [bytes = 0, blobs = 0, entries = 0] = (row ?? []).map(Number);
    return {
      namespace: this.name,
      bytes,
      blobs,
      entries,
      reservedBytes: this.#room.reservedBytes(this.name),
      quotaBytes: this.rules.quotaBytes,
    };
  }

  async #find(sha256: string, size: number | undefined): Promise<FoundBlob | undefined> {
    if (isEmptyBlob({ sha256, size })) return { size: 0, namespace: this.name, leaseUntil: Number.POSITIVE_INFINITY };
    const known = size ?? (await this.#sizeOf(sha256));
    if (known === undefined || !isWanted({ sha256, size: known })) return undefined;
    return (await this.#leased([{ sha256, size: known }])).get(0);
  }

  async #sizeOf(sha256: string): Promise<number | undefined> {
    if (!isWanted({ sha256, size: 1 })) return undefined;
    const { database, lists } = this.#context;
    const [row] = await database.rows(
      `select b.size from cache_blobs b join cache_namespaces n on n.id = b.namespace
       where b.sha256 = ? and n.name in ${lists.texts}`,
      [sha256, JSON.stringify(this.#chain)],
    );
    return row && Number(row[0]);
  }

  /** Which blobs are here, by place, all of them with a lease that lasts as long as is promised. */
  async #leased(blobs: readonly CacheBlob[]): Promise<ReadonlyMap<number, FoundBlob>> {
    if (blobs.length === 0) return new Map();
    const { database, lists, leaseMs, clock, writes, ids } = this.#context;
    const found = await findBlobs(database, lists, await ids.of(this.#chain), blobs);
    const wanted = clock.now().getTime() + leaseMs;
    const isShort = [...found.values()].some(({ leaseUntil }) => leaseUntil < wanted);
    if (!isShort && leaseMs > 0) return found;
    return await writes.run({
      namespaces: this.#chain,
      run: async (transaction) => {
        const held = this.#chain.map((name) => transaction.held(name));
        const still = await findBlobs(transaction, transaction.lists, held, blobs);
        await extendFound(transaction, blobs, still, leaseMs);
        return still;
      },
    });
  }

  async #withEntry(
    kind: CacheEntryKind,
    key: string,
    work: (transaction: Transaction, id: number) => Promise<void>,
  ): Promise<boolean> {
    if (!isKey(key)) return false;
    return await this.#context.writes.run({
      namespaces: [this.name],
      run: async (transaction) => {
        const [row] = await transaction.rows(
          'select id from cache_entries where namespace = ? and kind = ? and key = ?',
          [transaction.held(this.name).id, kind, key],
        );
        if (!row) return false;
        await work(transaction, Number(row[0]));
        return true;
      },
    });
  }

  #checkWritable(): void {
    if (this.rules.readOnly) throw readOnlyError(this.name);
  }
}

function isWanted(blob: CacheBlob | undefined): boolean {
  return blob !== undefined && isBlob(blob) && blob.sha256 !== emptySha256;
}

function isKey(key: string): boolean {
  try {
    checkKey(key);
    return true;
  } catch {
    return false;
  }
}
