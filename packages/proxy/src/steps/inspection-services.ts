import type { CatalogRef, InspectionServices } from '@waybill/contracts';
import type { ProxyContext } from '../context.js';
import type { Exchange } from '../exchange.js';
import { type Stop, trustStop } from '../stop.js';
import { fetchCompanion } from './companion.js';

/** Services of one exchange, and a look back at what they handed out. */
export interface LentServices extends InspectionServices {
  /**
   * Whether a list of trusted catalogs that was handed out has grown meanwhile, by a record of this or another process. What
   * was approved stays right, lists only grow; a refusal may be wrong and is to be looked at again.
   */
  isOutdated(): Promise<boolean>;
  /**
   * To call when inspectors have spoken: without a list that they asked for, what they said counts for nothing.
   * @throws Stop when a list could not be read
   */
  check(): void;
}

/** @param options.mayFetch whether inspectors may fetch a companion to know what they vouch for */
export function lendServices(
  exchange: Exchange,
  context: ProxyContext,
  { mayFetch = false }: { readonly mayFetch?: boolean } = {},
): LentServices {
  const { id: sessionId, policy } = exchange.activeSession;
  const lent = new Map<string, readonly CatalogRef[]>();
  let fault: Stop | undefined;

  async function read(refs: Promise<readonly CatalogRef[]>): Promise<readonly CatalogRef[]> {
    try {
      return await refs;
    } catch (error) {
      exchange.check();
      fault = trustStop(error);
      throw fault;
    }
  }

  return {
    get signal() {
      return exchange.signal;
    },
    sessionId,
    policy,
    mayFetch,
    companion: (url, maxBytes, accept) => fetchCompanion(exchange, context, { url, maxBytes, accept }),
    async trustedCatalogs(scope) {
      const refs = await read(context.catalogs.known(sessionId, scope));
      lent.set(scope, refs);
      return refs;
    },
    openArtifact: (sha256) => context.settings.blobs.open(sha256),
    async isOutdated() {
      for (const [scope, refs] of lent) {
        if ((await read(context.catalogs.fresh(sessionId, scope))).length !== refs.length) return true;
      }
      return false;
    },
    check() {
      if (fault) throw fault;
    },
  };
}
