import type { Logger, RecordPosition, SessionStore } from '@waybill/contracts';
import { messageOf } from '../errors.js';
import type { SessionEvents, SessionWatcher } from './session-events.js';

const pollMs = 300;

/** What is followed. */
export interface FollowOptions {
  readonly store: Pick<SessionStore, 'recordsSince'>;
  readonly logger: Logger;
  /** Injected in tests. */
  readonly pollMs?: number;
}

/**
 * Events of sessions that several processes serve: what any of them records is read from the store, as long as somebody
 * watches, once for all who watch the same session here.
 */
export function followSessions(options: FollowOptions): SessionEvents & { close(): void } {
  const bySession = new Map<string, Follower>();
  return {
    // It comes back from the store.
    publish() {},
    end: (sessionId) => void bySession.get(sessionId)?.finish(),
    watch(sessionId, watcher) {
      const follower = bySession.get(sessionId) ?? new Follower(sessionId, options, () => bySession.delete(sessionId));
      bySession.set(sessionId, follower);
      return follower.add(watcher);
    },
    close() {
      for (const follower of bySession.values()) follower.stop();
    },
  };
}

class Follower {
  readonly #sessionId: string;
  readonly #options: FollowOptions;
  readonly #onStop: () => void;
  readonly #watchers = new Set<SessionWatcher>();
  #position: RecordPosition | undefined;
  #reading: Promise<boolean>;
  #timer: NodeJS.Timeout | undefined;
  #isStopped = false;

  constructor(sessionId: string, options: FollowOptions, onStop: () => void) {
    this.#sessionId = sessionId;
    this.#options = options;
    this.#onStop = onStop;
    this.#reading = this.#read();
    this.#readLater();
  }

  add(watcher: SessionWatcher): () => void {
    this.#watchers.add(watcher);
    return () => {
      this.#watchers.delete(watcher);
      if (this.#watchers.size === 0) this.stop();
    };
  }

  /** The session takes no more answers: what was recorded before is told first. */
  async finish(): Promise<void> {
    while (!this.#isStopped && (await this.#readNext()));
    for (const watcher of [...this.#watchers]) watcher.end();
    this.stop();
  }

  stop(): void {
    this.#isStopped = true;
    clearTimeout(this.#timer);
    this.#onStop();
  }

  #readLater(): void {
    this.#timer = setTimeout(async () => {
      while (!this.#isStopped && (await this.#readNext()));
      if (!this.#isStopped) this.#readLater();
    }, this.#options.pollMs ?? pollMs);
    this.#timer.unref();
  }

  /** One after the other: a position is good for one reader. */
  #readNext(): Promise<boolean> {
    this.#reading = this.#reading.then(() => this.#read());
    return this.#reading;
  }

  /** @returns whether there may be more */
  async #read(): Promise<boolean> {
    try {
      const { records, position } = await this.#options.store.recordsSince(this.#sessionId, this.#position);
      this.#position = position;
      for (const record of records) for (const watcher of [...this.#watchers]) watcher.record(record);
      return records.length > 0;
    } catch (cause) {
      this.#options.logger.warn({ session: this.#sessionId, error: messageOf(cause) }, 'events cannot be read now');
      return false;
    }
  }
}
