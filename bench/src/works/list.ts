import { largeBody, parallelBodies } from './large-bodies.ts';
import { addedLatency } from './latency.ts';
import { memoryOfBody, memoryOfHosts, memoryOfRequests } from './long-memory.ts';
import { newHosts } from './new-hosts.ts';
import { keptMediumRequests, keptRequests, newConnections } from './small-bodies.ts';
import type { Work } from './work.ts';

/** Every work, in the order in which an engine meets them: memory is read before anything else has grown it. */
export const works: readonly Work[] = [
  largeBody,
  parallelBodies,
  keptRequests,
  keptMediumRequests,
  newConnections,
  newHosts,
  addedLatency,
  memoryOfBody,
  memoryOfHosts,
  memoryOfRequests,
];

/** What more processes of our service change. */
export const scalingWorks: readonly Work[] = [keptRequests, keptMediumRequests, newConnections, parallelBodies];
