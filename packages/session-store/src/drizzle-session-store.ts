import type {
  CatalogRef,
  Clock,
  ExchangeRecord,
  RefusalRecord,
  ResponseRecord,
  SessionCounts,
  SessionRecord,
  SessionState,
  SessionStore,
  StoredArtifact,
} from '@waybill/contracts';
import { and, asc, eq, inArray, sql } from 'drizzle-orm';
import type { Driver } from './driver.js';
import { closedError, SessionStoreError } from './errors.js';
import { readArtifacts, readCounts, readRange, readReferenced, readRefusals, readResponses } from './evidence.js';
import { createIdSource } from './ids.js';
import { RecordQueue } from './record-queue.js';
import { toCatalogRef, toSession } from './records.js';
import { scopeKeyOf, toBatches } from './rows.js';

/** States that may move on to the given one. */
const before: Readonly<Record<Exclude<SessionState, 'open'>, readonly SessionState[]>> = {
  // Revoking again moves the end. specs/fetch-service.md §2.3
  revoked: ['open', 'revoked'],
  expired: ['open', 'revoked'],
  ended: ['open', 'revoked'],
};

/** The store, whatever the database. */
export class DrizzleSessionStore implements SessionStore {
  readonly #driver: Driver;
  readonly #clock: Clock;
  readonly #queue: RecordQueue;
  readonly #running = new Set<Promise<unknown>>();
  #closing: Promise<void> | undefined;

  constructor(driver: Driver, clock: Clock) {
    this.#driver = driver;
    this.#clock = clock;
    const nextId = createIdSource(clock);
    this.#queue = new RecordQueue({
      writers: driver.writers,
      insert: async (records) => driver.insert(toBatches(records, nextId)),
      translate: driver.translate,
    });
  }

  async createSession(session: SessionRecord): Promise<void> {
    const { sessions } = this.#driver.tables;
    const made = await this.#run(() =>
      this.#driver.db
        .insert(sessions)
        .values({ ...session, endedAt: session.endedAt ?? null })
        .onConflictDoNothing()
        .returning({ id: sessions.id }),
    );
    if (made.length === 0) {
      throw new SessionStoreError('STORE_SESSION_EXISTS', `there is a session ${session.id} already`);
    }
  }

  async getSession(id: string): Promise<SessionRecord | undefined> {
    const { sessions } = this.#driver.tables;
    const [row] = await this.#run(() => this.#driver.db.select().from(sessions).where(eq(sessions.id, id)));
    return row && toSession(row);
  }

  async listSessions(states: readonly SessionState[]): Promise<SessionRecord[]> {
    const { sessions } = this.#driver.tables;
    const rows = await this.#run(() =>
      this.#driver.db
        .select()
        .from(sessions)
        .where(inArray(sessions.state, [...states]))
        .orderBy(asc(sessions.createdAt), asc(sessions.id)),
    );
    return rows.map(toSession);
  }

  /** One statement decides and moves, so that of two racers one finds the session moved already. */
  async transition(id: string, to: Exclude<SessionState, 'open'>, at: Date): Promise<SessionRecord | undefined> {
    const { sessions } = this.#driver.tables;
    const time = at.getTime();
    const endedAt = to === 'revoked' ? sql`${time}` : sql`coalesce(${sessions.endedAt}, ${time})`;
    const [moved] = await this.#run(() =>
      this.#driver.db
        .update(sessions)
        .set({ state: to, endedAt })
        .where(and(eq(sessions.id, id), inArray(sessions.state, [...before[to]])))
        .returning(),
    );
    return moved ? toSession(moved) : await this.getSession(id);
  }

  async deleteSession(id: string): Promise<void> {
    const { sessions } = this.#driver.tables;
    await this.#run(() => this.#driver.db.delete(sessions).where(eq(sessions.id, id)));
  }

  async record(records: readonly ExchangeRecord[]): Promise<void> {
    await this.#run(async () => {
      if (records.length > 0) await this.#queue.add(records);
    });
  }

  async catalogs(sessionId: string, scope: string): Promise<CatalogRef[]> {
    const { sessionCatalogs } = this.#driver.tables;
    const rows = await this.#run(() =>
      this.#driver.db
        .select()
        .from(sessionCatalogs)
        .where(and(eq(sessionCatalogs.sessionId, sessionId), eq(sessionCatalogs.scopeKey, scopeKeyOf(scope))))
        .orderBy(asc(sessionCatalogs.id)),
    );
    return rows.map(toCatalogRef);
  }

  artifacts(sessionId: string): AsyncIterable<StoredArtifact> {
    return this.#iterate(() => readArtifacts(this.#driver, sessionId));
  }

  async artifact(sessionId: string, sha256: string): Promise<StoredArtifact | undefined> {
    const [found] = await this.#run(() => readRange(this.#driver, sessionId, sha256, sha256));
    return found;
  }

  refusals(sessionId: string): AsyncIterable<RefusalRecord> {
    return this.#iterate(() => readRefusals(this.#driver, sessionId));
  }

  responses(sessionId: string): AsyncIterable<ResponseRecord> {
    return this.#iterate(() => readResponses(this.#driver, sessionId));
  }

  async counts(sessionId: string): Promise<SessionCounts> {
    return await this.#run(() => readCounts(this.#driver, sessionId));
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
    this.#closing ??= Promise.allSettled(this.#running).then(() => this.#driver.close());
    return this.#closing;
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

  async *#iterate<T>(open: () => AsyncGenerator<T>): AsyncGenerator<T> {
    const rows = open();
    try {
      while (true) {
        const { done, value } = await this.#run(() => rows.next());
        if (done) return;
        yield value;
      }
    } finally {
      await rows.return(undefined);
    }
  }
}
