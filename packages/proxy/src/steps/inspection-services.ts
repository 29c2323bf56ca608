import type { CatalogRef, InspectionServices } from '@waybill/contracts';
import type { ProxyContext } from '../context.js';
import type { Exchange } from '../exchange.js';
import { fetchCompanion } from './companion.js';

/** Services of one exchange, and a look back at what they handed out. */
export interface LentServices extends InspectionServices {
  /**
   * Whether a list of trusted catalogs that was handed out has grown meanwhile, by a record of this or another process. What
   * was approved stays right, lists only grow; a refusal may be wrong and is to be looked at again.
   */
  isOutdated(): Promise<boolean>;
}

export function lendServices(exchange: Exchange, context: ProxyContext): LentServices {
  const { id: sessionId, policy } = exchange.activeSession;
  const lent = new Map<string, readonly CatalogRef[]>();
  return {
    get signal() {
      return exchange.signal;
    },
    sessionId,
    policy,
    companion: (url, maxBytes) => fetchCompanion(exchange, context, { url, maxBytes }),
    async trustedCatalogs(scope) {
      const refs = await context.catalogs.known(sessionId, scope);
      lent.set(scope, refs);
      return refs;
    },
    openArtifact: (sha256) => context.settings.blobs.open(sha256),
    async isOutdated() {
      for (const [scope, refs] of lent) {
        if ((await context.catalogs.fresh(sessionId, scope)).length !== refs.length) return true;
      }
      return false;
    },
  };
}
