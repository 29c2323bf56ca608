/** Parts of an exchange in their order; each begins where the one before it ended. */
export const phases = ['turn', 'request', 'upstream', 'body', 'inspection', 'record', 'release'] as const;

/**
 * `turn`: credentials and limits; `request`: body, inspectors, policy; `upstream`: connecting and waiting for the head; `body`:
 * taking the body in; `inspection`, `record`; `release`: what is left for the client.
 */
export type Phase = (typeof phases)[number];

/** Milliseconds from the start of the exchange to the end of each phase that was reached. */
export type PhaseEnds = { [Name in Phase]?: number };
