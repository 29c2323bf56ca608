import type { SessionChange } from '@waybill/contracts';
import { asc, gt, lt, max, min } from 'drizzle-orm';
import type { Driver } from './driver.js';

/** Changes kept for those who read late; whoever is further behind reads all sessions anew. */
const keptChanges = 1000;
/** Changes read between two removals of old ones. */
const changesPerRemoval = 250;

/**
 * Reads the table of changes again and again, and at once when the driver says that there may be something.
 *
 * In PostgreSQL a change may become visible after one with a higher number. Such numbers are looked for again as long as
 * they can be in transactions that are under way, which a fixed number of changes stands for.
 */
export class SessionWatch {
  readonly #driver: Driver;
  readonly #handle: string;
  readonly #listener: (change: SessionChange) => void;
  /** Highest number that was read. */
  #last = 0;
  /** Numbers that were read, in the range that is looked at again. */
  #seen = new Set<number>();
  #sinceRemoval = 0;
  #isBehind = false;
  #isStopped = false;
  #reading: Promise<void> = Promise.resolve();
  #isReadPlanned = false;
  #timer: NodeJS.Timeout | undefined;
  #stopSignal: (() => Promise<void>) | undefined;

  constructor(driver: Driver, handle: string, listener: (change: SessionChange) => void) {
    this.#driver = driver;
    this.#handle = handle;
    this.#listener = listener;
  }

  /** Resolves when every later change will be told. */
  async start(): Promise<void> {
    this.#last = await this.#newest();
    this.#stopSignal = await this.#driver.changes.onSignal?.(() => this.#plan());
    this.#timer = setInterval(() => this.#plan(), this.#driver.changes.pollMs);
    this.#timer.unref();
  }

  async stop(): Promise<void> {
    this.#isStopped = true;
    clearInterval(this.#timer);
    await this.#stopSignal?.();
    await this.#reading;
  }

  /** Reads once more after the read that runs, however often it is called meanwhile. */
  #plan(): void {
    if (this.#isReadPlanned || this.#isStopped) return;
    this.#isReadPlanned = true;
    this.#reading = this.#reading.then(() => {
      this.#isReadPlanned = false;
      return this.#read();
    });
  }

  async #read(): Promise<void> {
    if (this.#isStopped) return;
    let changes: SessionChange[];
    try {
      changes = await this.#next();
      this.#isBehind = false;
    } catch {
      // Tried again at the next poll; requests of the store tell what is wrong.
      this.#isBehind = true;
      return;
    }
    for (const change of changes) if (!this.#isStopped) this.#listener(change);
  }

  async #next(): Promise<SessionChange[]> {
    const { db, tables, changes } = this.#driver;
    const { sessionChanges } = tables;
    const from = this.#last - changes.lateNumbers;
    const rows = await db
      .select()
      .from(sessionChanges)
      .where(gt(sessionChanges.seq, from))
      .orderBy(asc(sessionChanges.seq))
      .limit(keptChanges);
    const fresh = rows.filter((row) => row.seq > this.#last || !this.#seen.has(row.seq));
    if (this.#isBehind || rows.length === keptChanges || (await this.#hasMissed(fresh[0]?.seq))) {
      await this.#skip();
      return [{ kind: 'resync' }];
    }
    this.#last = rows.at(-1)?.seq ?? this.#last;
    this.#seen = new Set(rows.map((row) => row.seq));
    await this.#removeOld(fresh.length);
    const ids = new Set(fresh.filter((row) => row.handle !== this.#handle).map((row) => row.sessionId));
    return [...ids].map((id) => ({ kind: 'session', id }));
  }

  /** Whether changes before the first one that was read have been removed already. */
  async #hasMissed(first: number | undefined): Promise<boolean> {
    if (first === undefined || first <= this.#last + 1) return false;
    const { sessionChanges } = this.#driver.tables;
    const [oldest] = await this.#driver.db.select({ seq: min(sessionChanges.seq) }).from(sessionChanges);
    return Number(oldest?.seq ?? 0) > this.#last + 1;
  }

  async #skip(): Promise<void> {
    this.#last = await this.#newest();
    this.#seen.clear();
  }

  async #newest(): Promise<number> {
    const { sessionChanges } = this.#driver.tables;
    const [newest] = await this.#driver.db.select({ seq: max(sessionChanges.seq) }).from(sessionChanges);
    return Number(newest?.seq ?? 0);
  }

  async #removeOld(read: number): Promise<void> {
    this.#sinceRemoval += read;
    if (this.#sinceRemoval < changesPerRemoval) return;
    this.#sinceRemoval = 0;
    const { sessionChanges } = this.#driver.tables;
    await this.#driver.db.delete(sessionChanges).where(lt(sessionChanges.seq, this.#last - keptChanges));
  }
}
