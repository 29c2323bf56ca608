import { randomBytes } from 'node:crypto';
import type {
  CatalogRef,
  Clock,
  ExchangeRecord,
  NewRecords,
  RecordPosition,
  RefusalRecord,
  ResponseRecord,
  SessionChange,
  SessionCounts,
  SessionRecord,
  SessionState,
  SessionStore,
  SessionSummary,
  SessionTransition,
  StoredArtifact,
  StoreUsage,
} from '@waybill/contracts';
import { and, asc, eq } from 'drizzle-orm';
import type { Driver } from './driver.js';
import { closedError } from './errors.js';
import {
  readArtifact,
  readArtifacts,
  readCounts,
  readDigests,
  readReferenced,
  readRefusals,
  readResponses,
  type SessionPlace,
} from './evidence.js';
import { createIdSource } from './ids.js';
import { toCatalogRef } from './payload.js';
import { scopeKeyOf, toRecordBatch } from './record-batch.js';
import { readNews } from './record-news.js';
import { RecordQueue } from './record-queue.js';
import { SessionWatch } from './session-watch.js';
import { Sessions } from './sessions.js';

/** The store, whatever the database. */
export class DrizzleSessionStore implements SessionStore {
  readonly #driver: Driver;
  readonly #clock: Clock;
  readonly #queue: RecordQueue;
  readonly #sessions: Sessions;
  readonly #handle = randomBytes(9).toString('base64url');
  readonly #watches = new Set<SessionWatch>();
  readonly #running = new Set<Promise<unknown>>();
  #closing: Promise<void> | undefined;

  constructor(driver: Driver, clock: Clock) {
    this.#driver = driver;
    this.#clock = clock;
    this.#sessions = new Sessions(driver, this.#handle);
    const nextId = createIdSource(clock);
    this.#queue = new RecordQueue({
      writers: driver.writers,
      insert: async (records) => driver.record(toRecordBatch(records, nextId)),
      translate: driver.translate,
    });
    // What cannot be removed now goes with the next deletion or opening.
    this.#run(() => this.#sessions.finishDeletions()).catch(() => undefined);
  }

  createSession(session: SessionRecord): Promise<void> {
    return this.#run(() => this.#sessions.create(session));
  }

  getSession(id: string): Promise<SessionRecord | undefined> {
    return this.#run(() => this.#sessions.get(id));
  }

  listSessions(
    states: readonly SessionState[],
    options: { readonly endedBefore?: Date | undefined } = {},
  ): Promise<SessionSummary[]> {
    return this.#run(() => this.#sessions.list(states, options.endedBefore));
  }

  transition(id: string, to: Exclude<SessionState, 'open'>, at: Date): Promise<SessionTransition | undefined> {
    return this.#run(() => this.#sessions.transition(id, to, at));
  }

  async watch(listener: (change: SessionChange) => void): Promise<() => Promise<void>> {
    const watch = new SessionWatch(this.#driver, this.#handle, listener);
    await this.#run(() => watch.start());
    this.#watches.add(watch);
    return async () => {
      this.#watches.delete(watch);
      await watch.stop();
    };
  }

  deleteSession(id: string): Promise<void> {
    return this.#run(async () => {
      await this.#sessions.markDeleted(id);
      await this.#sessions.finishDeletions();
    });
  }

  async record(records: readonly ExchangeRecord[]): Promise<void> {
    await this.#run(async () => {
      if (records.length > 0) await this.#queue.add(records);
    });
  }

  async recordsSince(sessionId: string, position?: RecordPosition): Promise<NewRecords> {
    const found = await this.#ofSession(sessionId, (session) => readNews(this.#driver, session, position));
    return found ?? { records: [], position: position ?? { settled: 0, recent: new Map() } };
  }

  async catalogs(sessionId: string, scope: string): Promise<CatalogRef[]> {
    const { sessionCatalogs, sessions } = this.#driver.tables;
    const rows = await this.#run(() =>
      this.#driver.db
        .select({ payload: sessionCatalogs.payload })
        .from(sessionCatalogs)
        .innerJoin(sessions, eq(sessions.key, sessionCatalogs.session))
        .where(and(eq(sessions.id, sessionId), eq(sessionCatalogs.scopeKey, scopeKeyOf(scope))))
        .orderBy(asc(sessionCatalogs.id)),
    );
    return rows.map((row) => toCatalogRef(row.payload));
  }

  artifacts(sessionId: string): AsyncIterable<StoredArtifact> {
    return this.#iterate(sessionId, readArtifacts);
  }

  artifact(sessionId: string, sha256: string): Promise<StoredArtifact | undefined> {
    return this.#ofSession(sessionId, (session) => readArtifact(this.#driver, session, sha256));
  }

  refusals(sessionId: string): AsyncIterable<RefusalRecord> {
    return this.#iterate(sessionId, readRefusals);
  }

  responses(sessionId: string): AsyncIterable<ResponseRecord> {
    return this.#iterate(sessionId, readResponses);
  }

  digests(sessionId: string): AsyncIterable<string> {
    return this.#iterate(sessionId, readDigests);
  }

  async counts(sessionId: string): Promise<SessionCounts> {
    const found = await this.#ofSession(sessionId, (session) => readCounts(this.#driver, session));
    return found ?? { artifacts: 0, downloads: 0, refusals: 0, bytes: 0 };
  }

  usage(): Promise<StoreUsage> {
    return this.#run(async () => {
      const [sessions, databaseBytes] = await Promise.all([this.#sessions.countByState(), this.#driver.usedBytes()]);
      return { sessions, databaseBytes };
    });
  }

  async referenced(sha256s: readonly string[]): Promise<ReadonlySet<string>> {
    return await this.#run(() => readReferenced(this.#driver, sha256s));
  }

  /** Reading alone would not notice a full disk or a standby server. */
  async ping(): Promise<void> {
    const { pings } = this.#driver.tables;
    const at = this.#clock.now();
    await this.#run(() =>
      this.#driver.db.insert(pings).values({ id: 1, at }).onConflictDoUpdate({ target: pings.id, set: { at } }),
    );
  }

  /** Waits for what was begun before. */
  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    await Promise.allSettled([...this.#watches].map((watch) => watch.stop()));
    await Promise.allSettled(this.#running);
    await this.#driver.close();
  }

  async #run<T>(work: () => PromiseLike<T>): Promise<T> {
    if (this.#closing) throw closedError();
    const running = (async () => await work())();
    this.#running.add(running);
    try {
      return await running;
    } catch (error) {
      throw this.#driver.translate(error);
    } finally {
      this.#running.delete(running);
    }
  }

  /** undefined when there is no such session. */
  #ofSession<T>(id: string, work: (session: SessionPlace) => Promise<T>): Promise<T | undefined> {
    return this.#run(async () => {
      const key = await this.#sessions.keyOf(id);
      return key === undefined ? undefined : await work({ key, id });
    });
  }

  async *#iterate<T>(
    sessionId: string,
    open: (driver: Driver, session: SessionPlace) => AsyncGenerator<T[]>,
  ): AsyncGenerator<T> {
    const pages = await this.#ofSession(sessionId, async (session) => open(this.#driver, session));
    if (!pages) return;
    const read = () => {
      const page = this.#run(() => pages.next());
      // A failure is told when its turn comes.
      page.catch(() => undefined);
      return page;
    };
    try {
      for (let page = read(); ; ) {
        const { done, value } = await page;
        if (done) return;
        // Read while the reader is busy with this one.
        page = read();
        for (const item of value) yield item;
      }
    } finally {
      await pages.return(undefined);
    }
  }
}
