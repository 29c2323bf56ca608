import { DiagLogLevel, diag } from '@opentelemetry/api';
import { OTLPTraceExporter } from '@opentelemetry/exporter-trace-otlp-proto';
import { detectResources, envDetector, hostDetector, resourceFromAttributes } from '@opentelemetry/resources';
import { BatchSpanProcessor, TracerProvider } from '@opentelemetry/sdk-trace';
import { type Logger, redactText } from '@waybill/contracts';
import { version } from '../version.js';
import { samplerOf } from './sampler.js';
import { SessionIdGenerator, type SpanTools, traceExchange, traceSession } from './session-traces.js';
import type { Environment, Tracing } from './trace-sink.js';

/** How long the last spans may take to leave when the daemon stops. */
const closeMs = 2_000;

/** Sends spans with OTLP over http; the exporter reads its endpoint, fields, time-outs and certificates from `OTEL_EXPORTER_OTLP_*`. */
export function createOtlpTracing(environment: Environment, logger: Logger): Tracing {
  listenToDiagnostics(logger);
  const ids = new SessionIdGenerator();
  const sampler = samplerOf(environment, logger);
  const provider = new TracerProvider({
    resource: resource(),
    sampler,
    idGenerator: ids,
    spanProcessors: [new BatchSpanProcessor({ exporter: new OTLPTraceExporter(), ...batchOptions(environment) })],
  });
  const tools: SpanTools = { tracer: provider.getTracer('waybill', version), ids, sampler };
  return {
    exchangeFinished: (event) => traceExchange(tools, event),
    sessionOver: (session) => traceSession(tools, session),
    async close() {
      const { promise, resolve } = Promise.withResolvers<void>();
      const timer = setTimeout(resolve, closeMs);
      await Promise.race([provider.shutdown(), promise]).finally(() => clearTimeout(timer));
    },
  };
}

/** `OTEL_SERVICE_NAME` and `OTEL_RESOURCE_ATTRIBUTES` go before what we say. Command lines may hold secrets and are left out. */
function resource() {
  const own = resourceFromAttributes({
    'service.name': 'fetch-service',
    'service.version': version,
    'process.pid': process.pid,
  });
  return own.merge(detectResources({ detectors: [hostDetector, envDetector] }));
}

function batchOptions(environment: Environment) {
  const options = {
    maxExportBatchSize: numberOf(environment.OTEL_BSP_MAX_EXPORT_BATCH_SIZE),
    maxQueueSize: numberOf(environment.OTEL_BSP_MAX_QUEUE_SIZE),
    scheduledDelayMillis: numberOf(environment.OTEL_BSP_SCHEDULE_DELAY),
    exportTimeoutMillis: numberOf(environment.OTEL_BSP_EXPORT_TIMEOUT),
  };
  return Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined));
}

function numberOf(text: string | undefined): number | undefined {
  return text !== undefined && /^\d{1,9}$/.test(text.trim()) ? Number(text) : undefined;
}

/** A collector that is away must not fill the log. */
const leastMsBetweenLines = 60_000;

function listenToDiagnostics(logger: Logger): void {
  let last = Number.NEGATIVE_INFINITY;
  const warn = (text: string) => {
    if (performance.now() - last < leastMsBetweenLines) return;
    last = performance.now();
    logger.warn({ error: redactText(text).slice(0, 500) }, 'traces');
  };
  diag.setLogger(
    { error: warn, warn, info() {}, debug() {}, verbose() {} },
    { logLevel: DiagLogLevel.WARN, suppressOverrideMessage: true },
  );
}
