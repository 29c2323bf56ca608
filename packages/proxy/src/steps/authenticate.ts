import { type ActiveSession, redactText } from '@waybill/contracts';
import type { ProxyContext } from '../context.js';
import type { Exchange } from '../exchange.js';
import type { ClientConnection } from '../incoming.js';
import { lookupStop, sessionStop, stoppingStop } from '../stop.js';

/** Answer to credentials that are missing or not accepted, whatever the cause. specs/fetch-service.md §3.1. */
export const authenticationRequired = {
  status: 407,
  statusText: 'Proxy Authentication Required',
  headers: [
    'Proxy-Authenticate',
    'Basic realm=fetch-service',
    'Proxy-Connection',
    'close',
    'Content-Type',
    'text/plain; charset=utf-8',
  ],
  body: '407 Proxy Authentication Required',
} as const;

/**
 * Whose request this is: the tunnel's session, or the one that the request's own credentials name. undefined when nobody's;
 * the caller answers 407.
 *
 * @throws Stop when the tunnel's session is over, or has too many connections
 */
export async function authenticate(exchange: Exchange, context: ProxyContext): Promise<ActiveSession | undefined> {
  const { connection, request } = exchange.incoming;
  const session = connection.tunnel
    ? connection.tunnel.session
    : await checkCredentials(context, connection, request.headers['proxy-authorization']);
  if (!session) return undefined;
  exchange.session = session;
  exchange.atEnd(context.live.enter(session.id, () => exchange.cutOff(stoppingStop())));
  exchange.atEnd(context.live.watch(session, () => exchange.cutOff(sessionStop())));
  if (session.signal.aborted) throw sessionStop();
  session.touch();
  // A tunnel's connection was claimed at CONNECT.
  const excess = connection.tunnel ? undefined : context.limits.claim(request.socket, session);
  if (excess) throw excess;
  return session;
}

/**
 * Asks for the session of a `Proxy-Authorization` header; undefined when it is not accepted, for whatever reason.
 * @throws Stop when nobody can say
 */
export async function checkCredentials(
  { settings }: ProxyContext,
  connection: ClientConnection,
  header: string | undefined,
): Promise<ActiveSession | undefined> {
  const { authorized } = connection;
  if (header !== undefined && authorized?.header === header && !authorized.session.signal.aborted)
    return authorized.session;
  const credentials = parseBasic(header);
  if (!credentials) {
    refuse(header === undefined ? 'missing' : 'malformed');
    return undefined;
  }
  const answer = await settings.sessions.authenticate(credentials.id, credentials.token).catch((cause: unknown) => {
    settings.logger.error({ error: redactText(String(cause)) }, 'a session cannot be looked up');
    throw lookupStop(cause);
  });
  if (typeof answer === 'string' || answer.signal.aborted) {
    refuse(typeof answer === 'string' ? answer : 'ended', credentials.id);
    return undefined;
  }
  connection.authorized = { header: header as string, session: answer };
  return answer;

  function refuse(reason: string, sessionId?: string): void {
    settings.observer.authenticationFailed?.({
      address: connection.address,
      reason,
      ...(sessionId !== undefined && { sessionId: sessionId.slice(0, 64) }),
    });
  }
}

/** The scheme is spelled exactly so. Id and token are split at the first colon. */
function parseBasic(header: string | undefined): { readonly id: string; readonly token: string } | undefined {
  const encoded = /^Basic ([A-Za-z0-9+/]{1,1024}={0,2})$/.exec(header ?? '')?.[1];
  if (encoded === undefined) return undefined;
  const text = Buffer.from(encoded, 'base64').toString('utf8');
  const colon = text.indexOf(':');
  return colon < 0 ? undefined : { id: text.slice(0, colon), token: text.slice(colon + 1) };
}
