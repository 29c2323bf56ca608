import type { IncomingMessage } from 'node:http';
import type { Socket } from 'node:net';
import type { ActiveSession } from '@waybill/contracts';
import { isWaybillError } from '@waybill/contracts';
import type { ProxyContext } from '../context.js';
import { type Authority, parseAuthority } from '../http/authority.js';
import type { Tunnel } from '../incoming.js';
import { connectRecord } from '../record/connect-record.js';
import { authenticationRequired, checkCredentials } from '../steps/authenticate.js';
import { headlines, Stop, type StopFacts } from '../stop.js';
import { Connection } from './connection.js';
import { firstBytes, isPlainHttp } from './first-bytes.js';
import { answerSocket } from './socket-answer.js';
import { acceptTls } from './tunnel-tls.js';

/** A CONNECT as it came in. */
export interface ConnectRequest {
  readonly request: IncomingMessage;
  readonly socket: Socket;
  readonly head: Buffer;
  readonly connection: Connection;
}

/** A tunnel that is ready for requests. */
export interface OpenTunnel {
  readonly connection: Connection;
  /** Decrypted, or the client's own where it speaks plain HTTP. */
  readonly socket: Socket;
}

/**
 * From CONNECT to the decrypted stream: authenticate, validate the destination before any use of it, 200, TLS with a leaf for
 * that very host (or plain HTTP, where the client speaks that). undefined when it came to nothing; the client was told, and its session's report says why.
 */
export async function openTunnel(connect: ConnectRequest, context: ProxyContext): Promise<OpenTunnel | undefined> {
  const { request, socket, connection } = connect;
  const session = await sessionOf(connect, context);
  if (!session) return undefined;
  const unwatch = context.live.watch(session, () => connection.reset());
  socket.once('close', unwatch);
  session.touch();
  try {
    const excess = context.limits.claim(socket, session);
    if (excess) throw excess;
    const authority = parseAuthority(request.url ?? '');
    const secureContext = await context.settings.issuer.contextFor(authority.host);
    if (session.signal.aborted || !socket.writable) return undefined;
    socket.write('HTTP/1.1 200 Connection Established\r\n\r\n');
    return await handshake({ connect, context, session, authority, secureContext });
  } catch (error) {
    const facts = explainRefusal(error);
    await note(context, { connect, session, facts, status: facts.status });
    const headers = facts.retryAfterSeconds === undefined ? [] : ['Retry-After', String(facts.retryAfterSeconds)];
    const next = facts.limit === undefined ? '' : ` (${facts.hint})`;
    const body = `${facts.headline}: ${facts.reason}${next}\n`;
    answerSocket(socket, { status: facts.status, statusText: 'Refused', headers, body });
    return undefined;
  }
}

/** undefined when there is none; the client was told. */
async function sessionOf(
  { request, socket, connection }: ConnectRequest,
  context: ProxyContext,
): Promise<ActiveSession | undefined> {
  try {
    const session = await checkCredentials(context, connection, request.headers['proxy-authorization']);
    if (!session) answerSocket(socket, authenticationRequired);
    return session;
  } catch (error) {
    if (!(error instanceof Stop)) throw error;
    const { status, headline, reason, hint = '' } = error.facts;
    answerSocket(socket, { status, statusText: 'Service Unavailable', body: `${headline}: ${reason} (${hint})\n` });
    return undefined;
  }
}

interface Handshaking {
  readonly connect: ConnectRequest;
  readonly context: ProxyContext;
  readonly session: ActiveSession;
  readonly authority: Authority;
  readonly secureContext: Awaited<ReturnType<ProxyContext['settings']['issuer']['contextFor']>>;
}

async function handshake({
  connect,
  context,
  session,
  authority,
  secureContext,
}: Handshaking): Promise<OpenTunnel | undefined> {
  const { socket, head } = connect;
  const { headersTimeoutMs: timeoutMs } = context.settings.limits;
  const first = await firstBytes(socket, head, timeoutMs);
  if (!first || session.signal.aborted) return undefined;
  if (isPlainHttp(first)) {
    const tunnel: Tunnel = { session, authority, scheme: 'http', serverName: undefined };
    return { connection: new Connection(socket, { tunnel, carrier: socket }), socket };
  }
  const result = await acceptTls(socket, { context: secureContext, timeoutMs });
  if (result.kind === 'failed') {
    const { reason, hint } = result;
    const facts: StopFacts = {
      kind: 'failure',
      phase: 'protocol',
      status: 0,
      headline: headlines.requests,
      reason,
      hint,
    };
    await note(context, { connect, session, facts, status: 0 });
  }
  if (result.kind !== 'done' || session.signal.aborted) return undefined;
  const tunnel: Tunnel = { session, authority, scheme: 'https', serverName: result.serverName };
  return { connection: new Connection(socket, { tunnel, carrier: result.socket }), socket: result.socket };
}

interface Note {
  readonly connect: ConnectRequest;
  readonly session: ActiveSession;
  readonly facts: StopFacts;
  readonly status: number;
}

async function note({ recorder, settings }: ProxyContext, { connect, session, facts, status }: Note): Promise<void> {
  const { request, connection } = connect;
  const record = connectRecord({
    request,
    session,
    facts,
    status,
    address: connection.address,
    at: settings.clock.now(),
  });
  await recorder.record([record]).catch((error: Error) => {
    settings.logger.error({ session: session.id, error: error.message }, 'a refusal cannot be recorded');
  });
}

function explainRefusal(error: unknown): StopFacts {
  if (error instanceof Stop) return error.facts;
  const isForeseen =
    isWaybillError(error) && (error.code === 'PROXY_AUTHORITY_INVALID' || error.code === 'CA_HOST_INVALID');
  return {
    kind: isForeseen ? 'refusal' : 'failure',
    phase: 'protocol',
    status: isForeseen ? 400 : 500,
    headline: headlines.requests,
    reason: isWaybillError(error) ? error.message : 'no certificate could be issued for this host',
    hint: isWaybillError(error) ? error.hint : undefined,
  };
}
