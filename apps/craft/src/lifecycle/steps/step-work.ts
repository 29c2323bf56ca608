import type { PartContext } from '../context.js';
import type { StepLog } from '../step-log.js';

/** What a step leaves behind for its state. */
export interface StepResult {
  /** Paths put into the shared directory (stage and prime). */
  readonly paths: readonly string[];
  /** What identifies the result: commit, digest. */
  readonly outcome: Readonly<Record<string, string>>;
}

/** Does one step of one part. The step's earlier result has been removed before. */
export type StepWork = (context: PartContext, log: StepLog) => Promise<StepResult>;

/** A result without anything to remember. */
export const nothing: StepResult = { paths: [], outcome: {} };
