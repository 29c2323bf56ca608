import type { CatalogRef, SessionStore } from '@waybill/contracts';

/** Which catalogs a session trusts, remembered between its exchanges. */
export interface TrustedCatalogs {
  /** From memory when known. Such a list may be behind what another process has recorded: see `fresh`. */
  known(sessionId: string, scope: string): Promise<readonly CatalogRef[]>;
  /** From the store. */
  fresh(sessionId: string, scope: string): Promise<readonly CatalogRef[]>;
  /** To call when catalogs of these scopes were recorded. */
  forget(sessionId: string, scopes: readonly string[]): void;
}

/** Scopes remembered over all sessions; a list is a few references. */
const mostEntries = 4096;

export function createTrustedCatalogs(store: Pick<SessionStore, 'catalogs'>): TrustedCatalogs {
  /** Least recently used first. A promise, so that exchanges asking together ask once. */
  const entries = new Map<string, Promise<readonly CatalogRef[]>>();
  const keyOf = (sessionId: string, scope: string) => `${sessionId} ${scope}`;

  function fresh(sessionId: string, scope: string): Promise<readonly CatalogRef[]> {
    const key = keyOf(sessionId, scope);
    const asked = store.catalogs(sessionId, scope);
    entries.delete(key);
    entries.set(key, asked);
    for (const [oldest] of entries) {
      if (entries.size <= mostEntries) break;
      entries.delete(oldest);
    }
    // A failed look-up is asked again next time. One that was forgotten while under way is not the entry any more.
    asked.catch(() => {
      if (entries.get(key) === asked) entries.delete(key);
    });
    return asked;
  }

  return {
    fresh,
    known(sessionId, scope) {
      const key = keyOf(sessionId, scope);
      const entry = entries.get(key);
      if (!entry) return fresh(sessionId, scope);
      entries.delete(key);
      entries.set(key, entry);
      return entry;
    },
    forget(sessionId, scopes) {
      for (const scope of scopes) entries.delete(keyOf(sessionId, scope));
    },
  };
}
