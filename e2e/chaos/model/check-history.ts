import type { SessionHistory, StorageFault, Violation } from './history.js';
import { checkExplained, checkKept, checkStable, type IsForeign } from './rules/explained.js';
import { checkEvents, checkExports, checkGoesOn } from './rules/followed.js';
import { checkRecorded } from './rules/recorded.js';
import { checkStates } from './rules/states.js';
import { checkVerdicts } from './rules/verdicts.js';
import type { Truth } from './truth.js';

/** What the history is held against. */
export interface Frame {
  readonly truth: Truth;
  /** When a store was out of order. */
  readonly faults?: readonly StorageFault[];
  readonly isForeign?: IsForeign;
}

/** Everything that should not have happened to a session. A pure function: the same history gives the same answer. */
export function checkHistory(session: SessionHistory, { truth, faults = [], isForeign }: Frame): Violation[] {
  return [
    ...checkStates(session, faults),
    ...checkRecorded(session, truth, faults),
    ...checkVerdicts(session, truth, faults),
    ...checkExplained(session, faults, isForeign ?? (() => false)),
    ...checkKept(session),
    ...checkStable(session),
    ...checkEvents(session),
    ...checkExports(session),
    ...checkGoesOn(session),
  ];
}
