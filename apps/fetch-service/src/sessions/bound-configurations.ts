import {
  type ExchangeLimits,
  type InspectorsConfig,
  inspectorsConfigSchema,
  type JsonObject,
  type Logger,
  type RequestPolicy,
  type SessionInspectors,
  type SessionRecord,
} from '@waybill/contracts';
import { createRequestPolicy } from '@waybill/policy';
import { messageOf } from '../errors.js';
import { exchangeLimits } from './exchange-limits.js';

/** A configuration made ready for exchanges. Immutable, so that all sessions with the same configuration share it. */
export interface BoundConfiguration {
  readonly inspectors: SessionInspectors;
  readonly limits: ExchangeLimits;
  readonly requestPolicy: RequestPolicy;
  /** As it is stored with a session; the same object for the same configuration. */
  readonly json: JsonObject;
}

/** Makes configurations ready, each once: thousands of pins and keys take hundreds of milliseconds and megabytes. */
export interface BoundConfigurations {
  /** @throws errors of the inspectors and of the request policy */
  bind(config: InspectorsConfig): BoundConfiguration;
  /**
   * The configuration of a session that another process, perhaps of another version, has stored. One that cannot be read or
   * bound any more allows nothing (promise 5); it neither keeps the service from starting nor its evidence from being read.
   */
  bindStored(record: Pick<SessionRecord, 'id' | 'configuration'>): BoundConfiguration;
}

export function createBoundConfigurations(
  runtime: { bind(config: InspectorsConfig): SessionInspectors },
  logger: Logger,
): BoundConfigurations {
  const known = new WeakMap<object, BoundConfiguration>();

  function bind(config: InspectorsConfig, stored?: JsonObject): BoundConfiguration {
    return {
      inspectors: runtime.bind(config),
      limits: exchangeLimits(config),
      requestPolicy: createRequestPolicy(config.requests),
      // The schema has made plain values of it: no copy is needed.
      json: stored ?? (config as JsonObject),
    };
  }

  function once(key: object, make: () => BoundConfiguration): BoundConfiguration {
    const bound = known.get(key) ?? make();
    known.set(key, bound);
    return bound;
  }

  return {
    bind: (config) => once(config, () => bind(config)),
    bindStored: ({ id, configuration }) =>
      once(configuration, () => {
        try {
          return bind(inspectorsConfigSchema.parse(configuration), configuration);
        } catch (cause) {
          logger.error(
            { session: id, error: messageOf(cause) },
            'the configuration of a session cannot be used: it allows nothing',
          );
          return bind({}, configuration);
        }
      }),
  };
}
