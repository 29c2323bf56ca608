import type { Logger, SessionStore } from '@waybill/contracts';
import { messageOf } from '../errors.js';
import type { Tracing } from './trace-sink.js';

/**
 * Closes a session's trace when it takes no more downloads: at its revocation, or when its time is over without one. What ends
 * later was over before.
 */
export function traceSessionEnd(
  tracing: Tracing | undefined,
  store: Pick<SessionStore, 'getSession'>,
  logger: Logger,
): (how: 'revoked' | 'expired' | 'ended', sessionId: string) => void {
  if (!tracing) return () => {};
  return (how, sessionId) => {
    if (how === 'ended') return;
    store.getSession(sessionId).then(
      (session) => {
        const wasRevoked = session?.endedAt && session.endedAt < session.expiresAt;
        if (session && (how === 'revoked' || !wasRevoked)) tracing.sessionOver(session);
      },
      (cause: unknown) => logger.warn({ session: sessionId, error: messageOf(cause) }, 'a trace has no root'),
    );
  };
}
