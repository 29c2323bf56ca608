import { InMemorySpanExporter, SimpleSpanProcessor, TracerProvider } from '@opentelemetry/sdk-trace';
import type { ExchangeEvent } from '@waybill/proxy';
import { describe, expect, it, vi } from 'vitest';
import { samplerOf } from './sampler.js';
import { SessionIdGenerator, traceExchange, traceIdsOf, traceSession } from './session-traces.js';
import { spanText, spanUrl } from './span-text.js';
import { openTracing } from './tracing.js';

const quiet = { debug() {}, info() {}, warn: vi.fn(), error() {} };
const id = '0123456789abcdef0123456789abcdef';

function record(environment: Readonly<Record<string, string>> = {}) {
  const exporter = new InMemorySpanExporter();
  const ids = new SessionIdGenerator();
  const sampler = samplerOf(environment, quiet);
  const provider = new TracerProvider({
    sampler,
    idGenerator: ids,
    spanProcessors: [new SimpleSpanProcessor({ exporter })],
  });
  return { tools: { tracer: provider.getTracer('test'), ids, sampler }, spans: () => exporter.getFinishedSpans() };
}

const event: ExchangeEvent = {
  sessionId: id,
  policy: 'strict',
  startedAt: new Date(1_700_000_000_000),
  durationMs: 50,
  method: 'GET',
  url: 'https://registry.example:443/left-pad',
  address: '127.0.0.1:5000',
  status: 200,
  upstreamBytes: 10,
  clientBytes: 10,
  result: 'Approved',
  delivery: 'held',
  sha256: 'ab'.repeat(32),
  phaseEnds: { turn: 1, request: 2, upstream: 20, body: 30, inspection: 40, record: 45, release: 50 },
  claims: [{ inspector: 'npm.packument', inspection: { opinion: 'Pending', reason: 'mine' } }],
};

describe('ids', () => {
  it('are the same in every process', () => expect(traceIdsOf(id)).toEqual(traceIdsOf(id)));
  it('are the session id where that is one', () => expect(traceIdsOf(id).traceId).toBe(id));
  it.each(['wished', '0'.repeat(32), 'x'.repeat(64)])('are made of %s', (wished) => {
    const { traceId, spanId } = traceIdsOf(wished);
    expect([traceId, spanId]).toEqual([
      expect.stringMatching(/^[0-9a-f]{32}$/),
      expect.stringMatching(/^[0-9a-f]{16}$/),
    ]);
    expect(traceId).not.toBe(wished);
  });
});

describe('an exchange', () => {
  it('is a child of its session, though that span comes later, from wherever', () => {
    const { tools, spans } = record();
    traceExchange(tools, event);
    const createdAt = new Date(1_699_999_999_000);
    const session = {
      id,
      policy: 'strict',
      state: 'revoked',
      createdAt,
      expiresAt: new Date(),
      endedAt: new Date(),
    } as const;
    traceSession(tools, { ...session, tokenDigest: '', configuration: {}, secretPatterns: [] });
    const root = spans().find(({ name }) => name === 'session');
    const exchange = spans().find(({ name }) => name === 'GET');
    expect(root?.spanContext()).toMatchObject(traceIdsOf(id));
    expect(root?.parentSpanContext).toBeUndefined();
    expect(exchange?.parentSpanContext?.spanId).toBe(root?.spanContext().spanId);
    expect(exchange?.spanContext().traceId).toBe(id);
  });

  it('times the upstream to the end of the body, and inspections', () => {
    const { tools, spans } = record();
    const inspections = {
      inspections: new Map([['npm.packument', { opinion: 'Approved' as const, reason: 'fine' }]]),
      metadata: {} as never,
      vouchedBy: [],
      provides: [],
    };
    traceExchange(tools, { ...event, inspections });
    const times = Object.fromEntries(spans().map(({ name, duration: [s, ns] }) => [name, s * 1e3 + ns / 1e6]));
    expect(times).toMatchObject({ GET: 50, upstream: 28, inspection: 10 });
  });

  it('that was refused early has no children, and says why', () => {
    const { tools, spans } = record();
    const refusal = {
      kind: 'refusal',
      phase: 'session',
      reason: 'no',
      delivered: false,
      inspector: undefined,
      limit: 'downloads',
    } as const;
    traceExchange(tools, { ...event, phaseEnds: { turn: 1 }, claims: [], status: 403, refusal });
    expect(spans()).toHaveLength(1);
    expect(spans()[0]?.attributes).toMatchObject({
      'waybill.refusal.limit': 'downloads',
      'http.response.status_code': 403,
    });
    expect(spans()[0]?.status.code).toBe(0);
  });

  it('that failed is an error', () => {
    const { tools, spans } = record();
    const refusal = {
      kind: 'failure',
      phase: 'upstream',
      reason: 'reset',
      delivered: false,
      inspector: undefined,
      limit: undefined,
    } as const;
    traceExchange(tools, { ...event, status: 0, refusal });
    const [span] = spans().filter(({ name }) => name === 'GET');
    expect([span?.status, span?.attributes['error.type']]).toEqual([{ code: 2, message: 'reset' }, 'upstream']);
    expect(span?.attributes).not.toHaveProperty('http.response.status_code');
  });

  it('is bounded, whatever a client makes up', () => {
    const { tools, spans } = record();
    const claims = Array.from({ length: 100 }, (_, i) => ({
      inspector: `i.${i}`,
      inspection: { opinion: 'Unknown' as const, reason: 'x'.repeat(5000) },
    }));
    traceExchange(tools, {
      ...event,
      method: 'X'.repeat(1000),
      url: `https://a.example:443/${'y'.repeat(9000)}`,
      claims,
    });
    expect(
      JSON.stringify(spans().map(({ name, attributes, events }) => ({ name, attributes, events }))).length,
    ).toBeLessThan(20_000);
    expect(spans().some(({ name }) => name === 'HTTP')).toBe(true);
  });
});

describe('texts', () => {
  it.each([
    ['https://a.example:443/x?token=abc', 'https://a.example:443/x'],
    ['https://a.example:443/x?abc#d', 'https://a.example:443/x'],
    ['http://user:pass@a.example/x', 'http://a.example/x'],
    ['not a url', 'not a url'],
  ])('the URL %s', (url, full) => expect(spanUrl(url).full).toBe(full));

  it.each([
    [
      'no inspector recognises https://a.example/x?key=abc (hint)',
      'no inspector recognises https://a.example/x?… (hint)',
    ],
    ['said Bearer abcdefghijkl', 'said Bearer [redacted]'],
    ['what? no url', 'what? no url'],
    ['x'.repeat(400), `${'x'.repeat(299)}…`],
  ])('the reason %j', (text, expected) => expect(spanText(text)).toBe(expected));
});

describe('sampling', () => {
  it.each<[Record<string, string>, number]>([
    [{}, 1],
    [{ OTEL_TRACES_SAMPLER: 'always_off' }, 0],
    [{ OTEL_TRACES_SAMPLER: 'parentbased_always_off' }, 0],
    [{ OTEL_TRACES_SAMPLER: 'traceidratio', OTEL_TRACES_SAMPLER_ARG: '0' }, 0],
    [{ OTEL_TRACES_SAMPLER: 'parentbased_traceidratio', OTEL_TRACES_SAMPLER_ARG: '1' }, 1],
    [{ OTEL_TRACES_SAMPLER: 'traceidratio', OTEL_TRACES_SAMPLER_ARG: 'much' }, 1],
    [{ OTEL_TRACES_SAMPLER: 'dice' }, 1],
  ])('%j', (environment, roots) => {
    const { tools, spans } = record(environment);
    traceExchange(tools, { ...event, phaseEnds: {} });
    expect(spans()).toHaveLength(roots);
  });

  it('decides for a session as a whole', () => {
    const { tools, spans } = record({ OTEL_TRACES_SAMPLER: 'traceidratio', OTEL_TRACES_SAMPLER_ARG: '0.5' });
    for (let i = 0; i < 64; i++) {
      const sessionId = traceIdsOf(`s${i}`).traceId;
      for (let request = 0; request < 3; request++) traceExchange(tools, { ...event, sessionId, phaseEnds: {} });
    }
    const counts = Map.groupBy(spans(), (span) => span.spanContext().traceId);
    expect([...counts.values()].every((all) => all.length === 3)).toBe(true);
    expect(counts.size).toBeGreaterThan(10);
    expect(counts.size).toBeLessThan(54);
  });
});

describe('wanted', () => {
  it.each<[string, Record<string, string>]>([
    ['nothing is set', {}],
    ['switched off', { OTEL_SDK_DISABLED: 'TRUE', OTEL_EXPORTER_OTLP_ENDPOINT: 'http://127.0.0.1:1' }],
    ['no exporter', { OTEL_TRACES_EXPORTER: 'none', OTEL_EXPORTER_OTLP_ENDPOINT: 'http://127.0.0.1:1' }],
    ['another exporter', { OTEL_TRACES_EXPORTER: 'zipkin' }],
    ['an empty endpoint', { OTEL_EXPORTER_OTLP_ENDPOINT: '' }],
  ])('not when %s', async (_name, environment) => expect(await openTracing(environment, quiet)).toBeUndefined());

  it('says that it speaks protobuf only', async () => {
    const warn = vi.fn();
    const tracing = await openTracing(
      { OTEL_EXPORTER_OTLP_ENDPOINT: 'http://127.0.0.1:1', OTEL_EXPORTER_OTLP_PROTOCOL: 'grpc' },
      { ...quiet, warn },
    );
    expect(warn).toHaveBeenCalledWith({ protocol: 'grpc' }, expect.stringContaining('only http/protobuf'));
    await tracing?.close();
  });
});
