import type {
  AuthenticationFailure,
  SessionChange,
  SessionRecord,
  SessionStore,
  SessionSummary,
} from '@waybill/contracts';
import { unknownSession } from '../errors.js';
import { FormerSessions } from './former-sessions.js';
import { KeyedQueue } from './keyed-queue.js';
import { LiveSession, type SessionParts } from './live-session.js';
import { SessionLookup } from './session-lookup.js';
import { isSessionId } from './token.js';

/** What the directory is made of. */
export interface SessionDirectoryOptions {
  readonly store: Pick<SessionStore, 'getSession' | 'listSessions' | 'watch'>;
  /** Makes a session that somebody else created ready for exchanges. */
  readonly prepare: (record: SessionRecord) => SessionParts;
  /** Whether other processes change the store: then unknown ids are looked up, and changes followed. */
  readonly isShared: boolean;
  /** A session is known from now on. */
  readonly onAdded: (session: LiveSession) => void;
  /** A session is over or was deleted, here or elsewhere. */
  readonly onRemoved: (id: string) => void;
  /** Somebody else deleted a session. */
  readonly onDeleted: (id: string) => void;
  /** A session takes no more downloads; may be called again. */
  readonly onStopped: (id: string) => void;
  /** What was looked up could not be read; it is tried again. */
  readonly onFault: (cause: unknown) => void;
  /** Milliseconds. */
  readonly now: () => number;
}

const retryMs = 1_000;

/**
 * The sessions that are not over, as the store has them: those of this process, of an earlier one, and of every other process
 * and replica. Reading and applying what the store says of one session happens in order, so that an old state never
 * comes after a newer one.
 */
export class SessionDirectory {
  readonly #options: SessionDirectoryOptions;
  readonly #live = new Map<string, LiveSession>();
  readonly #former = new FormerSessions();
  readonly #lookup: SessionLookup<LiveSession>;
  readonly #queue = new KeyedQueue();
  readonly #retries = new Map<string, NodeJS.Timeout>();
  #stopWatching: (() => Promise<void>) | undefined;
  #isClosed = false;

  constructor(options: SessionDirectoryOptions) {
    this.#options = options;
    this.#lookup = new SessionLookup(async (id) => {
      await this.#read(id);
      return this.#live.get(id);
    }, options.now);
  }

  /** Follows the store, then takes over what it holds. */
  async open(): Promise<void> {
    const { store, isShared } = this.#options;
    if (isShared) this.#stopWatching = await store.watch((change) => this.#onChange(change));
    for (const record of await store.listSessions(['open', 'revoked'])) this.#apply(record);
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    await this.#stopWatching?.();
    for (const timer of this.#retries.values()) clearTimeout(timer);
    await this.#queue.idle();
  }

  /** Sessions that are open or revoked, oldest first as far as they were there at the start. */
  all(): readonly LiveSession[] {
    return [...this.#live.values()];
  }

  get(id: string): LiveSession | undefined {
    return this.#live.get(id);
  }

  /** Also asks the store, in bounded numbers. */
  async find(id: string): Promise<LiveSession | undefined> {
    const known = this.#live.get(id);
    if (known || !this.#options.isShared || !isSessionId(id) || this.#former.get(id)) return known;
    return this.#lookup.find(id);
  }

  /** Of a session that is over. */
  former(id: string): { readonly tokenDigest: string; readonly failure: AuthenticationFailure } | undefined {
    return this.#former.get(id);
  }

  /** Enters a session that this process has created. */
  add(record: SessionRecord, parts: SessionParts): void {
    this.#former.forget(record.id);
    this.#lookup.forget(record.id);
    this.#enter(new LiveSession(summaryOf(record), async () => parts));
  }

  /** The session is over; how, is told to who still uses its token. */
  remove(session: SessionSummary, failure: 'ended' | 'expired'): void {
    this.#former.remember(session.id, { tokenDigest: session.tokenDigest, failure });
    this.#drop(session.id);
  }

  /** Reads a session anew after somebody else changed it. */
  async refresh(id: string): Promise<void> {
    if (this.#isClosed || !isSessionId(id)) return;
    this.#lookup.forget(id);
    try {
      if (!(await this.#read(id))) this.#options.onDeleted(id);
    } catch (cause) {
      this.#options.onFault(cause);
      this.#retryLater(id);
    }
  }

  #onChange(change: SessionChange): void {
    if (change.kind === 'session') void this.refresh(change.id);
    else void this.#refreshAll();
  }

  async #refreshAll(): Promise<void> {
    if (this.#isClosed) return;
    try {
      const records = await this.#options.store.listSessions(['open', 'revoked']);
      const ids = new Set([...records.map(({ id }) => id), ...this.#live.keys()]);
      // What the list says is old by now; each is read in its turn.
      await Promise.all([...ids].map((id) => this.refresh(id)));
    } catch (cause) {
      this.#options.onFault(cause);
      this.#retryLater(everything);
    }
  }

  #retryLater(id: string): void {
    if (this.#retries.has(id) || this.#isClosed) return;
    const timer = setTimeout(() => {
      this.#retries.delete(id);
      void (id === everything ? this.#refreshAll() : this.refresh(id));
    }, retryMs);
    timer.unref();
    this.#retries.set(id, timer);
  }

  /** @returns whether the store has it */
  #read(id: string): Promise<boolean> {
    return this.#queue.run(id, async () => {
      const record = await this.#options.store.getSession(id);
      if (record) this.#apply(summaryOf(record));
      else this.#drop(id);
      return record !== undefined;
    });
  }

  #apply(record: SessionSummary): void {
    const known = this.#live.get(record.id);
    if (record.state === 'ended' || record.state === 'expired') this.remove(record, record.state);
    // A deleted session's id may be wished for again.
    else if (known && known.record.createdAt.getTime() === record.createdAt.getTime()) known.update(record);
    else this.#adopt(record);
    if (record.state === 'revoked') this.#options.onStopped(record.id);
  }

  /** Nothing large of it is kept until an exchange needs it. */
  #adopt(record: SessionSummary): void {
    const { id } = record;
    this.#drop(id);
    this.#former.forget(id);
    this.#enter(
      new LiveSession(record, async () => {
        const stored = await this.#options.store.getSession(id);
        if (!stored) throw unknownSession();
        return this.#options.prepare(stored);
      }),
    );
  }

  #enter(session: LiveSession): void {
    this.#live.set(session.id, session);
    this.#options.onAdded(session);
  }

  #drop(id: string): void {
    const session = this.#live.get(id);
    session?.stop();
    this.#live.delete(id);
    if (!session) return;
    this.#options.onStopped(id);
    this.#options.onRemoved(id);
  }
}

/** Stands for all sessions among those to be read again. */
const everything = '';

function summaryOf({ configuration, sealedSecrets, ...summary }: SessionRecord): SessionSummary {
  return summary;
}
