import type { InspectorsConfig, RequestInspection } from '@waybill/contracts';
import type { Inspector } from './inspector.js';

/** Id of the inspector that speaks when nobody else does. */
export const defaultInspectorId = 'default';

/**
 * Last of all: says `Unknown` about what nobody recognised. The runner calls it only when no other inspector said
 * Pending or Rejected (request), Approved or Rejected (artifact). specs/fetch-service.md §4.
 */
export function defaultInspector(config: InspectorsConfig = {}): Inspector {
  const unknown: RequestInspection = {
    opinion: 'Unknown',
    reason: 'the request was not recognised by any inspector',
    annotations: { hint: whatIsConfigured(config) },
  };
  return {
    id: defaultInspectorId,
    inspectRequest: () => unknown,
    inspectArtifact: async () => ({ opinion: 'Unknown', reason: 'the artifact was not recognised by any inspector' }),
  };
}

/** Sections that bound requests but let nothing in. */
const bounds = new Set(['requests', 'limits', 'lock-files']);

/** What to do about an origin that nobody knows, in terms of what this session has. */
function whatIsConfigured(config: InspectorsConfig): string {
  const sections = Object.entries(config)
    .filter(([name, section]) => section !== undefined && !bounds.has(name))
    .map(([name]) => name);
  if (sections.length === 0)
    return 'inspectors.yaml names no origin: fetch-service config init writes those of this machine';
  return `add its origin to inspectors.yaml, which has ${sections.join(', ')}; docs/fetch-service.md lists the sections there are`;
}
