import type { AclConfig, EgressGuard } from '@waybill/contracts';
import { createEgressGuard } from '@waybill/policy';
import { machineAddresses, ownEndpoints } from './listen.js';

/** Keeps the guard of destinations true to the access list and to where we listen ourselves. */
export interface Egress {
  readonly guard: EgressGuard;
  /** Called when the access list or the machine's interfaces may have changed. */
  refresh(): void;
  /** Looks for changed interfaces every now and then. @returns ends that */
  watch(intervalMs: number): () => void;
}

/** What the guard depends on. */
export interface EgressSources {
  readonly acl: () => AclConfig | undefined;
  /** Ours; as long as they are not known nothing may be connected to. */
  readonly listeners: () => readonly { readonly host: string; readonly port: number }[] | undefined;
  /** Called with each new guard: connections that an earlier one allowed must not be used again. */
  readonly onChange: (guard: EgressGuard) => void;
}

export function createEgress({ acl, listeners, onChange }: EgressSources): Egress {
  let guard: EgressGuard = { refusalFor: () => 'the service is still starting' };
  let made = '';
  const egress: Egress = {
    get guard() {
      return guard;
    },
    watch(intervalMs) {
      const timer = setInterval(() => egress.refresh(), intervalMs).unref();
      return () => clearInterval(timer);
    },
    refresh() {
      const own = listeners();
      if (!own) return;
      const ownAddresses = machineAddresses();
      const options = { acl: acl(), ownEndpoints: ownEndpoints(own, ownAddresses), ownAddresses };
      // Kept connections are worth keeping: only what differs makes a new guard.
      const key = JSON.stringify(options);
      if (key === made) return;
      made = key;
      guard = createEgressGuard(options);
      onChange(guard);
    },
  };
  return egress;
}
