import { createLeafIssuer, createRootCa } from '@waybill/ca';
import type { Clock, LeafIssuer } from '@waybill/contracts';

/** A root made for one test, and leaves of it. */
export interface ThrowawayCa extends LeafIssuer {
  /** The root, PEM: what a client of these leaves has to trust. */
  readonly certificatePem: string;
}

/** @param clock when its root and leaves are issued; long ago makes them expired */
export async function createThrowawayCa({ clock }: { readonly clock?: Clock } = {}): Promise<ThrowawayCa> {
  const root = await createRootCa({ commonName: 'Throw-away test root', clock });
  const issuer = createLeafIssuer({ root, clock });
  return { certificatePem: root.certificatePem, contextFor: (host) => issuer.contextFor(host) };
}
