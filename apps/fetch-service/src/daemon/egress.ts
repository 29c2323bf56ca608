import type { AclConfig, EgressGuard } from '@waybill/contracts';
import { createEgressGuard } from '@waybill/policy';
import { ownEndpoints } from './listen.js';

/** A guard that knows our own listeners and the current access list. */
export interface Egress extends EgressGuard {
  /** Builds the guard anew: the access list changed, or interfaces may have. */
  refresh(): void;
}

/** @param listeners ours; as long as it gives undefined nothing may be connected to */
export function createEgress(
  acl: () => AclConfig | undefined,
  listeners: () => readonly { readonly host: string; readonly port: number }[] | undefined,
): Egress {
  let guard: EgressGuard = { refusalFor: () => 'the service is still starting' };
  return {
    refusalFor: (address, port) => guard.refusalFor(address, port),
    refresh() {
      const own = listeners();
      if (own) guard = createEgressGuard({ acl: acl(), ownEndpoints: ownEndpoints(own) });
    },
  };
}
