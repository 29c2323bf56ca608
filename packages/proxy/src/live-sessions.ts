import type { ActiveSession } from '@waybill/contracts';

/** What runs on behalf of each session, so that its end is the end of all of it (promise 3). */
export interface LiveSessions {
  /**
   * Calls `end` when the session is over, at once when it already is. The returned function takes that back.
   */
  watch(session: ActiveSession, end: () => void): () => void;
  /** Counts an exchange until the returned function is called; `end` breaks it off when the process stops. */
  enter(sessionId: string, end: () => void): () => void;
  /** Resolves when no exchange of the session is under way: everything it did is then recorded. */
  settled(sessionId: string): Promise<void>;
  /** Resolves when no exchange at all is under way. */
  allSettled(): Promise<void>;
  /** Breaks every exchange off. */
  endAll(): void;
  /** Exchanges under way. */
  readonly running: number;
}

export function createLiveSessions(): LiveSessions {
  const watchers = new WeakMap<AbortSignal, Set<() => void>>();
  const running = new Map<string, { count: number; waiting: (() => void)[] }>();
  const ends = new Set<{ readonly end: () => void }>();

  return {
    watch({ signal }, end) {
      if (signal.aborted) {
        end();
        return () => {};
      }
      const members = watchers.get(signal) ?? membersOf(signal);
      members.add(end);
      return () => members.delete(end);
    },
    enter(sessionId, end) {
      const entry = running.get(sessionId) ?? { count: 0, waiting: [] };
      running.set(sessionId, entry);
      entry.count += 1;
      const member = { end };
      ends.add(member);
      return () => {
        entry.count -= 1;
        ends.delete(member);
        if (entry.count > 0) return;
        running.delete(sessionId);
        for (const resolve of entry.waiting) resolve();
      };
    },
    settled(sessionId) {
      const entry = running.get(sessionId);
      return entry ? new Promise((resolve) => entry.waiting.push(resolve)) : Promise.resolve();
    },
    async allSettled() {
      while (running.size > 0) await Promise.all([...running.keys()].map((id) => this.settled(id)));
    },
    endAll() {
      for (const { end } of [...ends]) settle(end);
    },
    get running() {
      return ends.size;
    },
  };

  /** One listener per session, however many exchanges: listeners of an AbortSignal are a linked list. */
  function membersOf(signal: AbortSignal): Set<() => void> {
    const members = new Set<() => void>();
    watchers.set(signal, members);
    signal.addEventListener(
      'abort',
      () => {
        for (const end of [...members]) settle(end);
        members.clear();
      },
      { once: true },
    );
    return members;
  }
}

/** One that fails must not keep the others from ending. */
function settle(end: () => void): void {
  try {
    end();
  } catch {
    // What it could not end ends with its connection.
  }
}
