import type { SessionRecord, SessionState, SessionSummary, SessionTransition } from '@waybill/contracts';
import { and, asc, count, eq, inArray, isNotNull, isNull, lt, type SQL, sql } from 'drizzle-orm';
import { Configurations } from './configurations.js';
import type { Driver, Tables } from './driver.js';
import { SessionStoreError } from './errors.js';

/** States that may move on to the given one. */
const before: Readonly<Record<Exclude<SessionState, 'open'>, readonly SessionState[]>> = {
  revoked: ['open'],
  expired: ['open', 'revoked'],
  ended: ['open', 'revoked'],
};

/** To create a session whose configuration is being removed again and again. */
const mostAttempts = 10;

/** Queries of the table of sessions. */
export class Sessions {
  readonly #driver: Driver;
  readonly #handle: string;
  readonly #configurations: Configurations;

  /** @param handle what tells this handle's changes from those of others */
  constructor(driver: Driver, handle: string) {
    this.#driver = driver;
    this.#handle = handle;
    this.#configurations = new Configurations(driver);
  }

  async create(session: SessionRecord): Promise<void> {
    if (await this.#insert(session)) return;
    throw new SessionStoreError('STORE_SESSION_EXISTS', `there is a session ${session.id} already`);
  }

  async get(id: string): Promise<SessionRecord | undefined> {
    const { sessions } = this.#driver.tables;
    const [row] = await this.#driver.db.select().from(sessions).where(eq(sessions.id, id));
    if (!row) return undefined;
    const { configurationKey, sealedSecrets } = row;
    const configuration =
      configurationKey === null ? row.configuration : await this.#configurations.read(configurationKey);
    // It was deleted between the two questions; its id may have been given again meanwhile.
    if (!configuration) return this.get(id);
    return { ...toSummary(row), configuration, ...(sealedSecrets !== null && { sealedSecrets }) };
  }

  /** Its number in the database. */
  async keyOf(id: string): Promise<number | undefined> {
    const { sessions } = this.#driver.tables;
    const [row] = await this.#driver.db.select({ key: sessions.key }).from(sessions).where(eq(sessions.id, id));
    return row?.key;
  }

  async list(states: readonly SessionState[], endedBefore: Date | undefined): Promise<SessionSummary[]> {
    const { sessions } = this.#driver.tables;
    const isWanted = and(inArray(sessions.state, [...states]), isNotNull(sessions.id));
    const rows = await this.#driver.db
      .select(summaryColumns(this.#driver))
      .from(sessions)
      .where(and(isWanted, endedBefore && lt(sessions.endedAt, endedBefore)))
      .orderBy(asc(sessions.createdAt), asc(sessions.id));
    return rows.map(toSummary);
  }

  async countByState(): Promise<Record<SessionState, number>> {
    const { sessions } = this.#driver.tables;
    const rows = await this.#driver.db
      .select({ state: sessions.state, sessions: count() })
      .from(sessions)
      .where(isNotNull(sessions.id))
      .groupBy(sessions.state);
    const found = Object.fromEntries(rows.map((row) => [row.state, Number(row.sessions)]));
    return { open: 0, revoked: 0, expired: 0, ended: 0, ...found };
  }

  /** One statement decides and moves, so that of two racers one finds the session moved already. */
  async transition(id: string, to: Exclude<SessionState, 'open'>, at: Date): Promise<SessionTransition | undefined> {
    const { endedAt } = this.#driver.tables.sessions;
    const time = sql`${at.getTime()}`;
    const moved = await this.#move(id, before[to], to, to === 'revoked' ? time : sql`coalesce(${endedAt}, ${time})`);
    if (moved) return { session: moved, isMoved: true };
    // Revoking again moves the end. specs/fetch-service.md §2.3
    const again = to === 'revoked' ? await this.#move(id, ['revoked'], to, time) : undefined;
    const session = again ?? (await this.#summary(id));
    return session && { session, isMoved: false };
  }

  /** From now on nobody finds it, and its id is free. Waits for records that are being written. */
  async markDeleted(id: string): Promise<void> {
    const { sessions } = this.#driver.tables;
    await this.#driver.db.update(sessions).set({ id: null, changedBy: this.#handle }).where(eq(sessions.id, id));
  }

  /**
   * Removes what sessions that are marked as deleted have left, step by step, of other handles too, which may have died.
   * May be interrupted and done again; two that do the same do not harm each other.
   */
  async finishDeletions(): Promise<void> {
    const { db, tables } = this.#driver;
    const { sessions, sessionCatalogs, sessionVouchers } = tables;
    const marked = await db.select({ key: sessions.key }).from(sessions).where(isNull(sessions.id));
    if (marked.length === 0) return;
    for (const { key } of marked) {
      while (await this.#driver.removeRecords(key));
      await db.delete(sessionCatalogs).where(eq(sessionCatalogs.session, key));
      await db.delete(sessionVouchers).where(eq(sessionVouchers.session, key));
      await db.delete(sessions).where(and(eq(sessions.key, key), isNull(sessions.id)));
    }
    await this.#configurations.removeUnused();
  }

  /** As a rule its configuration is there, and then it is neither sent nor written. */
  async #insert(session: SessionRecord): Promise<boolean> {
    const { sessions } = this.#driver.tables;
    const { configuration } = session;
    const { key, isWritten } = this.#configurations.place(configuration);
    const values = { ...session, endedAt: session.endedAt ?? null, configuration: {}, configurationKey: key };
    const insertion = this.#driver.db
      .insert(sessions)
      .values({ ...values, changedBy: this.#handle })
      .onConflictDoNothing()
      .returning({ key: sessions.key });
    for (let attempt = isWritten ? 0 : 1; ; attempt++) {
      try {
        if (attempt === 0) return (await insertion).length > 0;
        const both = [this.#configurations.insertion(key, configuration), insertion.toSQL()];
        const made = await this.#driver.together(both);
        this.#configurations.wrote(key);
        return made.length > 0;
      } catch (error) {
        // Its last session was deleted a moment ago, and it went with it.
        if (!this.#driver.isMissingReference(error) || attempt === mostAttempts) throw error;
      }
    }
  }

  async #summary(id: string): Promise<SessionSummary | undefined> {
    const { sessions } = this.#driver.tables;
    const [row] = await this.#driver.db.select(summaryColumns(this.#driver)).from(sessions).where(eq(sessions.id, id));
    return row && toSummary(row);
  }

  async #move(
    id: string,
    from: readonly SessionState[],
    to: SessionState,
    endedAt: SQL,
  ): Promise<SessionSummary | undefined> {
    const { sessions } = this.#driver.tables;
    const [row] = await this.#driver.db
      .update(sessions)
      .set({ state: to, endedAt, changedBy: this.#handle })
      .where(and(eq(sessions.id, id), inArray(sessions.state, [...from])))
      .returning(summaryColumns(this.#driver));
    return row && toSummary(row);
  }
}

function summaryColumns({ tables: { sessions } }: Driver) {
  const { id, tokenDigest, policy, state, createdAt, expiresAt, endedAt, secretPatterns } = sessions;
  return { id, tokenDigest, policy, state, createdAt, expiresAt, endedAt, secretPatterns };
}

type SummaryRow = Pick<Tables['sessions']['$inferSelect'], keyof ReturnType<typeof summaryColumns>>;

function toSummary(row: SummaryRow): SessionSummary {
  const { id, tokenDigest, policy, state, createdAt, expiresAt, endedAt, secretPatterns } = row;
  return {
    id: id ?? '',
    tokenDigest,
    policy: policy as SessionSummary['policy'],
    state: state as SessionState,
    createdAt,
    expiresAt,
    secretPatterns,
    ...(endedAt && { endedAt }),
  };
}
