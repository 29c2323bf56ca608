import { type AuthenticationFailureEvent, type ExchangeEvent, phases } from '@waybill/proxy';
import { Counter, type Registry } from 'prom-client';
import { TimeHistogram } from './time-histogram.js';

/** From a hit in the blob store to a large body on a slow line. */
const buckets = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.1, 0.25, 1, 5, 30, 120, 600];

/** Counts exchanges. Labels are names of our own: no URL, host, session or text of anybody else is one. */
export interface ExchangeMetrics {
  exchangeFinished(event: ExchangeEvent): void;
  authenticationFailed(event: AuthenticationFailureEvent): void;
}

export function createExchangeMetrics(registry: Registry): ExchangeMetrics {
  const registers = [registry];
  const counter = <Label extends string>(name: string, help: string, ...labelNames: Label[]) =>
    new Counter({ name, help, labelNames, registers });
  const whole = new TimeHistogram(
    {
      name: 'waybill_exchange_seconds',
      help: 'Exchanges from request to last byte, by policy',
      label: 'policy',
      buckets,
    },
    registry,
  );
  const parts = new TimeHistogram(
    {
      name: 'waybill_exchange_phase_seconds',
      help: 'Phases of exchanges; turn is waiting for limits',
      label: 'phase',
      buckets,
    },
    registry,
  );
  const exchanges = counter(
    'waybill_exchanges_total',
    'Exchanges by verdict and how their body was delivered',
    'policy',
    'result',
    'delivery',
  );
  const refusals = counter(
    'waybill_refusals_total',
    'Exchanges refused, failed, or delivered although strict would have refused them',
    'kind',
    'phase',
    'delivered',
  );
  const limits = counter('waybill_limit_refusals_total', 'Exchanges refused because something ran out', 'limit');
  const opinions = counter('waybill_opinions_total', 'What inspectors said of artifacts', 'inspector', 'opinion');
  const upstream = counter('waybill_upstream_bytes_total', 'Body bytes received from upstreams');
  const client = counter('waybill_client_bytes_total', 'Body bytes handed to clients');
  const failures = counter('waybill_authentication_failures_total', 'Proxy credentials not accepted', 'reason');
  return {
    exchangeFinished(event) {
      whole.observe(event.policy, event.durationMs / 1000);
      observePhases(parts, event);
      exchanges.inc({ policy: event.policy, result: event.result ?? 'none', delivery: event.delivery });
      if (event.upstreamBytes > 0) upstream.inc(event.upstreamBytes);
      if (event.clientBytes > 0) client.inc(event.clientBytes);
      for (const [inspector, { opinion }] of event.inspections?.inspections ?? []) opinions.inc({ inspector, opinion });
      const { refusal } = event;
      if (!refusal) return;
      refusals.inc({ kind: refusal.kind, phase: refusal.phase, delivered: String(refusal.delivered) });
      if (refusal.limit) limits.inc({ limit: refusal.limit });
    },
    authenticationFailed: ({ reason }) => failures.inc({ reason }),
  };
}

function observePhases(histogram: TimeHistogram, { phaseEnds }: ExchangeEvent): void {
  let before = 0;
  for (const phase of phases) {
    const end = phaseEnds[phase];
    if (end === undefined) continue;
    histogram.observe(phase, (end - before) / 1000);
    before = end;
  }
}
