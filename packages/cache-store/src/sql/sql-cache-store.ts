import type { BlobStore, Clock, Logger } from '@waybill/contracts';
import type { Database } from '@waybill/database';
import type {
  AuditRecord,
  CacheNamespace,
  CacheStore,
  FsckFinding,
  GcResult,
  NamespaceRules,
  NamespaceUsage,
  PrincipalStore,
} from '../cache-store.js';
import { CacheStoreError, closedError } from '../errors.js';
import { checkNamespaceName } from '../rules.js';
import { type NewAuditRecord, readAudit, writeAudit } from './audit.js';
import { Collector } from './collector.js';
import type { StoreContext } from './context.js';
import { fsck } from './fsck.js';
import type { Lists } from './lists.js';
import { Maintenance } from './maintenance.js';
import { NamespaceIds } from './namespace-ids.js';
import { SqlPrincipals } from './principals.js';
import { Readers } from './readers.js';
import { Room } from './room.js';
import { SqlNamespace } from './sql-namespace.js';
import { Sweep } from './sweep.js';
import { WriteQueue } from './write-queue.js';

/** Namespaces that read through to others that read through to others. */
const longestChain = 8;

/** What {@link SqlCacheStore} is given, all of it decided. */
export interface SqlCacheStoreOptions {
  readonly blobs: BlobStore;
  rules(namespace: string): NamespaceRules | undefined;
  readonly leaseMs: number;
  readonly graceMs: number;
  readonly maintenanceMs: number;
  readonly auditMs: number;
  readonly clock: Clock;
  readonly logger: Logger;
}

/** A cache over a database and a blob store. */
export class SqlCacheStore implements CacheStore {
  readonly principals: PrincipalStore;
  readonly #context: StoreContext;
  readonly #room: Room;
  readonly #sweep: Sweep;
  readonly #collector: Collector;
  readonly #maintenance: Maintenance;
  readonly #graceMs: number;
  #closing: Promise<void> | undefined;

  constructor(database: Database, lists: Lists, options: SqlCacheStoreOptions) {
    const { blobs, clock, logger, leaseMs, graceMs, auditMs, maintenanceMs } = options;
    const writes = new WriteQueue(database, lists, () => clock.now().getTime());
    const rules = (namespace: string) => options.rules(namespace);
    this.#context = {
      database,
      lists,
      writes,
      blobs,
      clock,
      logger,
      leaseMs,
      rules,
      ids: new NamespaceIds(database, lists),
      readers: new Readers(),
    };
    this.#graceMs = graceMs;
    this.#sweep = new Sweep(this.#context, graceMs);
    this.#collector = new Collector(this.#context, this.#sweep);
    this.#room = new Room({
      usedBytes: async (name) => (await this.#usage(name))[0]?.bytes ?? 0,
      shrink: (name, bytes) => this.#collector.shrink(name, bytes),
    });
    this.principals = new SqlPrincipals(database, writes, clock);
    this.#maintenance = new Maintenance(this.#context, { graceMs, auditMs });
    const collect = async () => {
      await this.#collector.collect(await this.#names(), { isOptional: true });
    };
    this.#maintenance.start(collect, maintenanceMs);
  }

  namespace(name: string): CacheNamespace {
    if (this.#closing) throw closedError();
    const chain = this.#chainOf(name);
    const parts = { context: this.#context, room: this.#room, collector: this.#collector };
    return new SqlNamespace(chain, this.#rulesOf(name), parts);
  }

  usage(): Promise<readonly NamespaceUsage[]> {
    return this.#usage();
  }

  async audit(query: Parameters<CacheStore['audit']>[0]): Promise<readonly AuditRecord[]> {
    return await readAudit(this.#context.database, query);
  }

  async note(record: NewAuditRecord): Promise<void> {
    await this.#context.writes.run({
      namespaces: [],
      run: (transaction) => writeAudit(transaction, transaction.now, record),
    });
  }

  async gc({ dryRun = false }: { readonly dryRun?: boolean | undefined } = {}): Promise<GcResult> {
    return await this.#collector.collect(await this.#names(), { isDryRun: dryRun });
  }

  async *fsck({
    verify = false,
    repair = false,
  }: {
    readonly verify?: boolean | undefined;
    readonly repair?: boolean | undefined;
  } = {}): AsyncGenerator<FsckFinding> {
    yield* fsck({
      context: this.#context,
      verify,
      repair,
      unknownBefore: new Date(Date.now() - this.#graceMs),
      chainOf: (name) => this.#chainIfAny(name),
      names: () => this.#names(),
    });
    if (repair) await this.#sweep.run();
  }

  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    await this.#collector.settled();
    await this.#sweep.settled();
    await this.#maintenance.stop().catch(() => undefined);
    await this.#context.writes.close();
    await this.#context.database.close();
  }

  #rulesOf(name: string): NamespaceRules {
    checkNamespaceName(name);
    const rules = this.#context.rules(name);
    if (rules) return rules;
    throw new CacheStoreError('CACHE_NAMESPACE_UNKNOWN', `there is no namespace ${JSON.stringify(name)}`, {
      hint: 'name it in the configuration, or use one that is there',
    });
  }

  #chainOf(name: string): readonly string[] {
    const chain: string[] = [];
    for (let next: string | undefined = name; next !== undefined; next = this.#rulesOf(next).readsThrough) {
      if (chain.includes(next) || chain.length >= longestChain) {
        throw new CacheStoreError('CACHE_NAMESPACE_INVALID', `namespace ${name} reads through to itself`, {
          hint: `let namespaces read through to at most ${longestChain - 1} others, the trusted one last`,
        });
      }
      chain.push(next);
    }
    return chain;
  }

  /** A namespace that is no longer configured still has what it has. */
  #chainIfAny(name: string): readonly string[] {
    try {
      return this.#chainOf(name);
    } catch {
      return [name];
    }
  }

  async #names(): Promise<readonly string[]> {
    return (await this.#context.database.rows('select name from cache_namespaces order by name')).map(([name]) =>
      String(name),
    );
  }

  async #usage(only?: string): Promise<readonly NamespaceUsage[]> {
    const rows = await this.#context.database.rows(
      `select name, bytes, blobs, entries from cache_namespaces ${only === undefined ? 'order by name' : 'where name = ?'}`,
      only === undefined ? [] : [only],
    );
    return rows.map(([text, bytes, blobs, entries]) => {
      const namespace = String(text);
      return {
        namespace,
        bytes: Number(bytes),
        blobs: Number(blobs),
        entries: Number(entries),
        reservedBytes: this.#room.reservedBytes(namespace),
        quotaBytes: this.#context.rules(namespace)?.quotaBytes,
      };
    });
  }
}
