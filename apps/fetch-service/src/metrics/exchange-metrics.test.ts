import type { ExchangeEvent } from '@waybill/proxy';
import { Histogram, Registry } from 'prom-client';
import { describe, expect, it } from 'vitest';
import { createExchangeMetrics } from './exchange-metrics.js';
import { createServiceMetrics } from './service-metrics.js';
import { TimeHistogram } from './time-histogram.js';

describe('a time histogram', () => {
  it('says what one of prom-client says', async () => {
    const [ours, theirs] = [new Registry(), new Registry()];
    const buckets = [0.01, 0.1, 1];
    const histogram = new TimeHistogram({ name: 'x_seconds', help: 'X', label: 'phase', buckets }, ours);
    const reference = new Histogram({
      name: 'x_seconds',
      help: 'X',
      labelNames: ['phase'],
      buckets,
      registers: [theirs],
    });
    for (const [phase, seconds] of [
      ['a', 0.001],
      ['a', 0.01],
      ['a', 0.05],
      ['b', 1],
      ['b', 7],
    ] as const) {
      histogram.observe(phase, seconds);
      reference.observe({ phase }, seconds);
    }
    expect(await ours.metrics()).toBe(await theirs.metrics());
    histogram.reset();
    expect(await ours.metrics()).not.toContain('phase');
  });
});

const event: ExchangeEvent = {
  sessionId: 'cafe'.repeat(8),
  policy: 'strict',
  startedAt: new Date(),
  durationMs: 50,
  method: 'GET',
  url: 'https://secret-host.example:443/left-pad',
  address: '192.0.2.7:5000',
  status: 200,
  upstreamBytes: 1000,
  clientBytes: 2000,
  result: 'Approved',
  delivery: 'held',
  sha256: 'ab'.repeat(32),
  phaseEnds: { turn: 1, upstream: 21 },
  claims: [],
  inspections: {
    inspections: new Map([['deb', { opinion: 'Approved', reason: 'fine' }]]),
    metadata: {} as never,
    vouchedBy: [],
    provides: [],
  },
};

async function textOf(...events: readonly Partial<ExchangeEvent>[]): Promise<string> {
  const registry = new Registry();
  const metrics = createExchangeMetrics(registry);
  for (const one of events) metrics.exchangeFinished({ ...event, ...one });
  metrics.authenticationFailed({ address: '192.0.2.7:1', reason: 'wrong-token', sessionId: event.sessionId });
  return registry.metrics();
}

describe('exchanges', () => {
  it('are counted by verdict and delivery, with bytes, phases and opinions', async () => {
    const text = await textOf({}, { result: undefined, delivery: 'none', phaseEnds: {}, inspections: undefined });
    for (const line of [
      'waybill_exchanges_total{policy="strict",result="Approved",delivery="held"} 1',
      'waybill_exchanges_total{policy="strict",result="none",delivery="none"} 1',
      'waybill_exchange_seconds_count{policy="strict"} 2',
      'waybill_exchange_phase_seconds_sum{phase="upstream"} 0.02',
      'waybill_exchange_phase_seconds_bucket{le="0.001",phase="turn"} 1',
      'waybill_upstream_bytes_total 2000',
      'waybill_client_bytes_total 4000',
      'waybill_opinions_total{inspector="deb",opinion="Approved"} 1',
      'waybill_authentication_failures_total{reason="wrong-token"} 1',
    ])
      expect(text.split('\n')).toContain(line);
  });

  it('that were refused are counted by phase, and by the limit', async () => {
    const refusal = { kind: 'refusal', phase: 'session', reason: 'r', delivered: false, inspector: undefined } as const;
    const text = await textOf(
      { refusal: { ...refusal, limit: 'downloads' } },
      { refusal: { ...refusal, limit: undefined } },
    );
    expect(text).toContain('waybill_refusals_total{kind="refusal",phase="session",delivered="false"} 2');
    expect(text).toContain('waybill_limit_refusals_total{limit="downloads"} 1');
  });

  it('leave nothing of a session, host or client in a label', async () => {
    const refusal = {
      kind: 'failure',
      phase: 'upstream',
      reason: 'secret-host reset',
      delivered: false,
      inspector: 'x',
      limit: undefined,
    } as const;
    const text = await textOf({ refusal }, { method: 'X-LOOT', delivery: 'withheld' });
    for (const foreign of [event.sessionId, 'secret-host', '192.0.2', 'left-pad', 'LOOT', 'abab'])
      expect(text).not.toContain(foreign);
  });
});

it('a gauge that cannot be read is left out, the others are not', async () => {
  const metrics = createServiceMetrics();
  metrics.gauge('waybill_broken', 'B', () => Promise.reject(new Error('no database')));
  metrics.gauge('waybill_fine', 'F', async () => 7);
  const { body } = await metrics.text();
  expect(body).toContain('waybill_fine 7');
  expect(body).not.toMatch(/^waybill_broken /m);
});
