import type { ExchangeRecord } from '@waybill/contracts';

/** Somebody who watches a session. Neither method may throw or wait. */
export interface SessionWatcher {
  record(record: ExchangeRecord): void;
  /** The session takes no more downloads. */
  end(): void;
}

/** Hands durable records to whoever watches a session. */
export interface SessionEvents {
  publish(records: readonly ExchangeRecord[]): void;
  end(sessionId: string): void;
  /** @returns ends the subscription */
  watch(sessionId: string, watcher: SessionWatcher): () => void;
}

/** Nothing is kept: a watcher sees what happens from now on. */
export function createSessionEvents(): SessionEvents {
  const bySession = new Map<string, Set<SessionWatcher>>();
  return {
    publish(records) {
      if (bySession.size === 0) return;
      for (const record of records) for (const watcher of bySession.get(record.sessionId) ?? []) watcher.record(record);
    },
    end(sessionId) {
      for (const watcher of [...(bySession.get(sessionId) ?? [])]) watcher.end();
      bySession.delete(sessionId);
    },
    watch(sessionId, watcher) {
      const watchers = bySession.get(sessionId) ?? new Set();
      bySession.set(sessionId, watchers.add(watcher));
      return () => {
        watchers.delete(watcher);
        if (watchers.size === 0) bySession.delete(sessionId);
      };
    },
  };
}
