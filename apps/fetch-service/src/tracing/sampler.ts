import {
  AlwaysOffSampler,
  AlwaysOnSampler,
  ParentBasedSampler,
  type Sampler,
  TraceIdRatioBasedSampler,
} from '@opentelemetry/sdk-trace';
import type { Logger } from '@waybill/contracts';
import type { Environment } from './trace-sink.js';

/**
 * The sampler that `OTEL_TRACES_SAMPLER` and `OTEL_TRACES_SAMPLER_ARG` name. All of them decide by the trace, so that the processes
 * of a service agree on each session.
 */
export function samplerOf(environment: Environment, logger: Logger): Sampler {
  const name = environment.OTEL_TRACES_SAMPLER?.trim() || 'parentbased_always_on';
  switch (name) {
    case 'always_on':
    case 'parentbased_always_on':
      return new ParentBasedSampler({ root: new AlwaysOnSampler() });
    case 'always_off':
    case 'parentbased_always_off':
      return new ParentBasedSampler({ root: new AlwaysOffSampler() });
    case 'traceidratio':
    case 'parentbased_traceidratio':
      return new ParentBasedSampler({ root: new TraceIdRatioBasedSampler(ratioOf(environment, logger)) });
    default:
      logger.warn({ sampler: name }, 'OTEL_TRACES_SAMPLER is not known: every session is traced');
      return new ParentBasedSampler({ root: new AlwaysOnSampler() });
  }
}

function ratioOf({ OTEL_TRACES_SAMPLER_ARG: text = '' }: Environment, logger: Logger): number {
  const ratio = Number(text);
  if (text.trim() !== '' && ratio >= 0 && ratio <= 1) return ratio;
  if (text.trim() !== '')
    logger.warn({ ratio: text }, 'OTEL_TRACES_SAMPLER_ARG: expected 0 to 1; every session is traced');
  return 1;
}
