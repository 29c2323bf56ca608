import type { Logger } from '@waybill/contracts';
import type { Environment, Tracing } from './trace-sink.js';

/**
 * Traces where the standard variables ask for them; undefined otherwise, and then nothing of OpenTelemetry is even loaded.
 * @see docs/observability.md
 */
export async function openTracing(environment: Environment, logger: Logger): Promise<Tracing | undefined> {
  if (!isWanted(environment, logger)) return undefined;
  const { createOtlpTracing } = await import('./otlp-tracing.js');
  return createOtlpTracing(environment, logger);
}

/** An endpoint is enough; `OTEL_TRACES_EXPORTER=otlp` takes the default one. */
function isWanted(environment: Environment, logger: Logger): boolean {
  const { OTEL_SDK_DISABLED, OTEL_TRACES_EXPORTER, OTEL_EXPORTER_OTLP_PROTOCOL } = environment;
  const { OTEL_EXPORTER_OTLP_ENDPOINT, OTEL_EXPORTER_OTLP_TRACES_ENDPOINT } = environment;
  if (OTEL_SDK_DISABLED?.trim().toLowerCase() === 'true') return false;
  const exporter = OTEL_TRACES_EXPORTER?.trim() ?? '';
  if (exporter !== '' && exporter !== 'otlp') {
    if (exporter !== 'none') logger.warn({ exporter }, 'OTEL_TRACES_EXPORTER: only otlp and none are known; no traces');
    return false;
  }
  const isSet = exporter === 'otlp' || Boolean(OTEL_EXPORTER_OTLP_ENDPOINT || OTEL_EXPORTER_OTLP_TRACES_ENDPOINT);
  const protocol = environment.OTEL_EXPORTER_OTLP_TRACES_PROTOCOL || OTEL_EXPORTER_OTLP_PROTOCOL || 'http/protobuf';
  if (isSet && protocol !== 'http/protobuf') {
    logger.warn({ protocol }, 'OTEL_EXPORTER_OTLP_PROTOCOL: only http/protobuf is spoken, and is used');
  }
  return isSet;
}
