import type { Inspector } from './inspector.js';

/** Id of the inspector that speaks when nobody else does. */
export const defaultInspectorId = 'default';

/**
 * Last of all: says `Unknown` about what nobody recognised. The runner calls it only when no other inspector said
 * Pending or Rejected (request), Approved or Rejected (artifact). specs/fetch-service.md §4.
 */
export function defaultInspector(): Inspector {
  return {
    id: defaultInspectorId,
    inspectRequest: () => ({ opinion: 'Unknown', reason: 'the request was not recognised by any inspector' }),
    inspectArtifact: async () => ({ opinion: 'Unknown', reason: 'the artifact was not recognised by any inspector' }),
  };
}
