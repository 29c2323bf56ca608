import type { IncomingMessage } from 'node:http';
import { type ActiveSession, type RefusalRecord, redactHeaders, redactText, redactUrl } from '@waybill/contracts';
import { withoutFields } from '../http/headers.js';
import type { StopFacts } from '../stop.js';

/** What is known of a CONNECT, or of a tunnel that carried no request. */
export interface ConnectFacts {
  readonly request: Pick<IncomingMessage, 'method' | 'url' | 'rawHeaders' | 'headers'>;
  readonly session: ActiveSession;
  readonly facts: StopFacts;
  /** Sent to the client; 0 when the connection was closed without a word. */
  readonly status: number;
  readonly address: string;
  readonly at: Date;
}

/** The record of a tunnel that came to nothing. */
export function connectRecord({ request, session, facts, status, address, at }: ConnectFacts): RefusalRecord {
  return {
    kind: facts.kind,
    sessionId: session.id,
    startedAt: at,
    method: request.method ?? 'CONNECT',
    url: redactUrl(`https://${request.url ?? ''}`).slice(0, 2_000),
    address,
    userAgent: redactText(request.headers['user-agent'] ?? ''),
    requestHeader: redactHeaders(withoutFields(request.rawHeaders, (name) => name.startsWith('proxy-'))),
    requestInspection: {},
    phase: facts.phase,
    at,
    statusCode: status,
    reason: redactText(facts.reason),
    hint: facts.hint,
    delivered: false,
    responseInspection: {},
  };
}
