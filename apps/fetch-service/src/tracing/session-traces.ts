import { createHash } from 'node:crypto';
import {
  type Attributes,
  type Context,
  ROOT_CONTEXT,
  type Span,
  SpanKind,
  SpanStatusCode,
  TraceFlags,
  type Tracer,
  trace,
} from '@opentelemetry/api';
import { type IdGenerator, RandomIdGenerator, type Sampler, SamplingDecision } from '@opentelemetry/sdk-trace';
import type { SessionRecord } from '@waybill/contracts';
import type { ExchangeEvent, Phase } from '@waybill/proxy';
import { spanText, spanUrl } from './span-text.js';

/** Opinions that one span lists. */
const mostOpinions = 16;
const knownMethods = new Set(['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS', 'CONNECT', 'TRACE']);

/** Ids of a session's trace: any process can say them without asking another. */
export interface TraceIds {
  readonly traceId: string;
  /** Of the session's own span, the root. */
  readonly spanId: string;
}

/** A session id of the usual form is the trace id itself. */
export function traceIdsOf(sessionId: string): TraceIds {
  const digest = createHash('sha256').update(`waybill session ${sessionId}`).digest('hex');
  const isTraceId = /^[0-9a-f]{32}$/.test(sessionId) && /[^0]/.test(sessionId);
  return { traceId: isTraceId ? sessionId : digest.slice(0, 32), spanId: digest.slice(32, 48) };
}

/** Random ids, but for a root span whose ids are told beforehand. */
export class SessionIdGenerator implements IdGenerator {
  readonly #random = new RandomIdGenerator();
  #next: TraceIds | undefined;

  /** Runs something that starts one root span with these ids. */
  with<Value>(ids: TraceIds, start: () => Value): Value {
    this.#next = ids;
    try {
      return start();
    } finally {
      this.#next = undefined;
    }
  }

  generateTraceId(): string {
    return this.#next?.traceId ?? this.#random.generateTraceId();
  }

  generateSpanId(): string {
    return this.#next?.spanId ?? this.#random.generateSpanId();
  }
}

/** What spans are made with. */
export interface SpanTools {
  readonly tracer: Tracer;
  readonly ids: SessionIdGenerator;
  readonly sampler: Sampler;
}

/** The root: from the session's creation to its end. */
export function traceSession({ tracer, ids }: SpanTools, session: SessionRecord): void {
  const attributes: Attributes = {
    'waybill.session.id': session.id,
    'waybill.policy': session.policy,
    'waybill.session.state': session.state,
  };
  const options = { root: true, kind: SpanKind.INTERNAL, startTime: session.createdAt, attributes };
  ids
    .with(traceIdsOf(session.id), () => tracer.startSpan('session', options, ROOT_CONTEXT))
    .end(session.endedAt ?? session.expiresAt);
}

/** One request with what took long of it: waiting for the upstream, and inspections. */
export function traceExchange(tools: SpanTools, event: ExchangeEvent): void {
  const session = contextOf(event.sessionId, tools.sampler);
  if (!session) return;
  const at = (ms: number) => event.startedAt.getTime() + ms;
  const method = knownMethods.has(event.method) ? event.method : '_OTHER';
  const span = tools.tracer.startSpan(
    method === '_OTHER' ? 'HTTP' : method,
    { kind: SpanKind.SERVER, startTime: at(0), attributes: attributesOf(event, method) },
    session,
  );
  const inside = trace.setSpan(session, span);
  for (const [phase, end] of Object.entries(event.phaseEnds)) span.addEvent(phase, at(end));
  tellOpinions(
    span,
    event.claims.map(({ inspector, inspection }) => [inspector, inspection]),
    at(event.phaseEnds.request ?? 0),
  );
  traceUpstream(tools.tracer, inside, event, method);
  traceInspection(tools.tracer, inside, event);
  if (event.refusal?.kind === 'failure') {
    span.setAttribute('error.type', event.refusal.phase);
    span.setStatus({ code: SpanStatusCode.ERROR, message: spanText(event.refusal.reason) });
  }
  span.end(at(event.durationMs));
}

/** undefined when the session is not sampled. */
function contextOf(sessionId: string, sampler: Sampler): Context | undefined {
  const { traceId, spanId } = traceIdsOf(sessionId);
  const { decision } = sampler.shouldSample(ROOT_CONTEXT, traceId, 'session', SpanKind.INTERNAL, {}, []);
  if (decision === SamplingDecision.NOT_RECORD) return undefined;
  return trace.setSpanContext(ROOT_CONTEXT, { traceId, spanId, traceFlags: TraceFlags.SAMPLED, isRemote: true });
}

function attributesOf(event: ExchangeEvent, method: string): Attributes {
  const { full, server } = spanUrl(event.url);
  const { refusal } = event;
  return {
    'http.request.method': method,
    'url.full': full,
    ...server,
    ...(event.status > 0 && { 'http.response.status_code': event.status }),
    'client.address': event.address,
    'waybill.session.id': event.sessionId,
    'waybill.policy': event.policy,
    'waybill.delivery': event.delivery,
    'waybill.upstream.bytes': event.upstreamBytes,
    'waybill.client.bytes': event.clientBytes,
    ...(event.result && { 'waybill.result': event.result }),
    ...(event.sha256 && { 'waybill.artifact.sha256': event.sha256 }),
    ...(refusal && {
      'waybill.refusal.kind': refusal.kind,
      'waybill.refusal.phase': refusal.phase,
      'waybill.refusal.reason': spanText(refusal.reason),
      'waybill.refusal.delivered': refusal.delivered,
      ...(refusal.inspector && { 'waybill.refusal.inspector': refusal.inspector }),
      ...(refusal.limit && { 'waybill.refusal.limit': refusal.limit }),
    }),
  };
}

function traceUpstream(tracer: Tracer, parent: Context, event: ExchangeEvent, method: string): void {
  const times = phaseOf(event, 'upstream', 'request', 'body');
  if (!times) return;
  const { full, server } = spanUrl(event.url);
  const attributes = { 'http.request.method': method, 'url.full': full, ...server };
  tracer.startSpan('upstream', { kind: SpanKind.CLIENT, startTime: times.start, attributes }, parent).end(times.end);
}

function traceInspection(tracer: Tracer, parent: Context, event: ExchangeEvent): void {
  const times = phaseOf(event, 'inspection', 'body');
  if (!times || !event.inspections) return;
  const span = tracer.startSpan('inspection', { startTime: times.start }, parent);
  tellOpinions(span, [...event.inspections.inspections], times.end);
  span.end(times.end);
}

/** From the end of one phase to that of another, or of the last one that was reached. */
function phaseOf({ phaseEnds, startedAt }: ExchangeEvent, phase: Phase, after: Phase, last: Phase = phase) {
  const [start, end] = [phaseEnds[after], phaseEnds[last] ?? phaseEnds[phase]];
  if (start === undefined || end === undefined) return undefined;
  return { start: startedAt.getTime() + start, end: startedAt.getTime() + end };
}

type Opinion = readonly [inspector: string, said: { readonly opinion: string; readonly reason: string }];

function tellOpinions(span: Span, opinions: readonly Opinion[], at: number): void {
  for (const [inspector, { opinion, reason }] of opinions.slice(0, mostOpinions)) {
    span.addEvent('opinion', { inspector, opinion, reason: spanText(reason) }, at);
  }
}
