import {
  type InspectorsConfig,
  inspectorsConfigSchema,
  type Logger,
  type SessionInspectors,
  type SessionRecord,
} from '@waybill/contracts';
import { messageOf } from '../errors.js';

/** A stored session's configuration with the inspectors that it means. */
export interface StoredInspectors {
  readonly config: InspectorsConfig;
  readonly inspectors: SessionInspectors;
}

/**
 * Binds the inspectors of a session that an earlier process, perhaps of another version, has stored. One that cannot be read
 * or bound any more allows nothing (promise 5); it neither keeps the service from starting nor its evidence from being read.
 */
export function bindStored(
  record: SessionRecord,
  runtime: { bind(config: InspectorsConfig): SessionInspectors },
  logger: Logger,
): StoredInspectors {
  const parsed = inspectorsConfigSchema.safeParse(record.configuration);
  if (!parsed.success) return nothing(record, parsed.error, runtime, logger);
  try {
    return { config: parsed.data, inspectors: runtime.bind(parsed.data) };
  } catch (cause) {
    return nothing(record, cause, runtime, logger);
  }
}

function nothing(
  { id }: SessionRecord,
  cause: unknown,
  runtime: { bind(config: InspectorsConfig): SessionInspectors },
  logger: Logger,
): StoredInspectors {
  logger.error(
    { session: id, error: messageOf(cause) },
    'the configuration of a session cannot be used: it allows nothing',
  );
  return { config: {}, inspectors: runtime.bind({}) };
}
