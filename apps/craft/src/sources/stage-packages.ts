import type { PartContext } from '../lifecycle/context.js';
import type { StepLog } from '../lifecycle/step-log.js';

/** placeholder */
export async function fetchStagePackages(_context: PartContext, _log: StepLog): Promise<Record<string, string>> {
  return {};
}

/** placeholder */
export async function unpackStagePackages(_context: PartContext): Promise<void> {}
