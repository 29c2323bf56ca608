import type { SessionPolicy } from '@waybill/contracts';
import { AggregatorRegistry, Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from 'prom-client';
import type { ControlMetrics } from '../control/context.js';
import { version } from '../version.js';
import { createExchangeMetrics, type ExchangeMetrics } from './exchange-metrics.js';

/** What is counted of the service as a whole. Labels are bounded: routes are patterns, never paths; nothing of a session or host is a label. */
export interface ServiceMetrics extends ControlMetrics {
  sessionCreated(policy: SessionPolicy): void;
  sessionOver(how: 'revoked' | 'expired' | 'ended'): void;
  /** One durable record. */
  recorded(kind: string, result: string): void;
  bytes(result: string, size: number): void;
  readonly registry: Registry;
  readonly exchanges: ExchangeMetrics;
  /**
   * A number read when somebody asks; one that cannot be read is left out.
   * @param over how the numbers of several processes make one; default their sum
   */
  gauge(name: string, help: string, read: () => number | Promise<number>, over?: 'sum' | 'max'): void;
  /** All values, for another process to join with its own. */
  values(): Promise<object[]>;
  /** @param others values of other processes */
  text(others?: readonly object[]): Promise<{ readonly contentType: string; readonly body: string }>;
}

export function createServiceMetrics(): ServiceMetrics {
  const registry = new Registry();
  const registers = [registry];
  collectDefaultMetrics({ register: registry });
  new Gauge({ name: 'waybill_build_info', help: 'Version of the service', labelNames: ['version'], registers }).set(
    { version },
    1,
  );
  const requests = new Histogram({
    name: 'waybill_control_request_seconds',
    help: 'Requests to the control API',
    labelNames: ['route', 'method', 'status'],
    buckets: [0.005, 0.025, 0.1, 0.5, 2, 10],
    registers,
  });
  const created = new Counter({
    name: 'waybill_sessions_created_total',
    help: 'Sessions created',
    labelNames: ['policy'],
    registers,
  });
  const over = new Counter({
    name: 'waybill_sessions_over_total',
    help: 'Sessions revoked, expired, ended',
    labelNames: ['how'],
    registers,
  });
  const records = new Counter({
    name: 'waybill_records_total',
    help: 'Durable records of exchanges: downloads, responses without artifact, refusals, failures',
    labelNames: ['kind', 'result'],
    registers,
  });
  const bytes = new Counter({
    name: 'waybill_artifact_bytes_total',
    help: 'Bytes of recorded artifacts',
    labelNames: ['result'],
    registers,
  });
  return {
    registry,
    exchanges: createExchangeMetrics(registry),
    request: (route, method, status, seconds) =>
      requests.observe({ route, method: knownMethod(method), status: String(status) }, seconds),
    sessionCreated: (policy) => created.inc({ policy }),
    sessionOver: (how) => over.inc({ how }),
    recorded: (kind, result) => records.inc({ kind, result }),
    bytes: (result, size) => bytes.inc({ result }, size),
    gauge(name, help, read, over = 'sum') {
      new Gauge({
        name,
        help,
        registers,
        aggregator: over,
        async collect() {
          try {
            this.set(await read());
          } catch {
            this.remove();
          }
        },
      });
    },
    values: () => registry.getMetricsAsJSON(),
    async text(others = []) {
      const { contentType } = registry;
      if (others.length === 0) return { contentType, body: await registry.metrics() };
      // As the library joins the processes of a cluster, but one that does not answer costs its part and not the whole.
      const joined = AggregatorRegistry.aggregate([await registry.getMetricsAsJSON(), ...others] as object[]);
      return { contentType, body: await joined.metrics() };
    },
  };
}

function knownMethod(method: string): string {
  return /^(GET|HEAD|POST|PUT|PATCH|DELETE|OPTIONS)$/.test(method) ? method : 'other';
}
