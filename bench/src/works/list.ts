import { largeBody } from './large-body.ts';
import { keptRequests, newConnections } from './small-bodies.ts';
import type { Metric, Work } from './work.ts';

/** Every work, in the order in which an engine meets them: memory is read before anything else has grown it. */
export const works: readonly Work[] = [largeBody, keptRequests, newConnections];

/** Every metric of them. */
export const metrics: readonly Metric[] = works.flatMap((work) => work.metrics);
