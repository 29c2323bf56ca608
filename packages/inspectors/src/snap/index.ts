import type { InspectorsConfig } from '@waybill/contracts';
import type { Inspector } from '../inspector.js';
import { snapAnswers } from './answers.js';
import { snapAssertion } from './assertions.js';
import { snapPackage } from './package.js';
import { snapRefresh } from './refresh.js';
import { snapStore } from './snap-store.js';

/**
 * The inspectors of a snap store, in the order of reports.
 * @throws PolicyError POLICY_GLOB_INVALID
 * @see specs/fetch-service.md §4.3, §5.12
 */
export function snapInspectors(config: InspectorsConfig): readonly Inspector[] {
  const store = snapStore(config);
  const [info, ...others] = snapAnswers(store);
  return [snapPackage(store), snapAssertion(store), info, snapRefresh(store), ...others] as readonly Inspector[];
}
