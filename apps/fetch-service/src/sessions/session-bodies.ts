import type { SessionStore } from '@waybill/contracts';

/** Digests of every body that a session's records name, each once. */
export async function bodiesOf(store: Pick<SessionStore, 'digests'>, sessionId: string): Promise<string[]> {
  const found = new Set<string>();
  for await (const sha256 of store.digests(sessionId)) found.add(sha256);
  return [...found];
}
