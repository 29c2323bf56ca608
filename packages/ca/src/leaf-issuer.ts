import { constants, generateKeyPairSync } from 'node:crypto';
import { createSecureContext, type SecureContext } from 'node:tls';
import { type Clock, type LeafIssuer, systemClock } from '@waybill/contracts';
import { CaError } from './ca-error.js';
import { publicKeyDer } from './create-root-ca.js';
import { type LeafHost, parseLeafHost } from './host-name.js';
import { clockSkewDays, createLeafSigner, longestLeafDays } from './leaf-certificate.js';
import type { RootCa } from './root-ca.js';

/**
 * Groups for key agreement, all that clients of today know but for the post-quantum hybrid: it adds a quarter to the cost of a
 * handshake, and this leg of the way is the build's own network.
 */
const groups = 'X25519:P-256:P-384:P-521';

/** What an issuer is made of. */
export interface LeafIssuerOptions {
  readonly root: RootCa;
  readonly clock?: Clock | undefined;
  /** Contexts kept, about 50 KiB each; 500 by default. The least recently used goes first. */
  readonly maxContexts?: number | undefined;
  /** Validity of leaves in days, at most 395; 90 by default. A leaf is renewed when a third of its life is left. */
  readonly days?: number | undefined;
}

/** Counters of an issuer. */
export interface LeafIssuerStats {
  /** Contexts held now. */
  readonly contexts: number;
  readonly hits: number;
  readonly issued: number;
  readonly evicted: number;
}

/** A {@link LeafIssuer} whose root and counters can be read. */
export interface RootedLeafIssuer extends LeafIssuer {
  readonly root: RootCa;
  stats(): LeafIssuerStats;
}

interface Entry {
  readonly context: Promise<SecureContext>;
  renewAt: number;
}

/**
 * Issues TLS contexts with a leaf per host, one P-256 key for all of them, in memory only. Concurrent requests for a host share
 * the work; a failure is not kept.
 *
 * @throws CaError CA_VALIDITY_INVALID
 */
export function createLeafIssuer(options: LeafIssuerOptions): RootedLeafIssuer {
  const { root, clock = systemClock, maxContexts = 500, days = 90 } = options;
  if (!(days > 0 && days + clockSkewDays <= longestLeafDays) || !(maxContexts >= 1)) {
    throw new CaError('CA_VALIDITY_INVALID', `leaves for ${days} days and ${maxContexts} contexts cannot be kept`, {
      hint: `leaves are valid for at most ${longestLeafDays - clockSkewDays} days, and at least one context is kept`,
    });
  }
  const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const key = privateKey.export({ type: 'pkcs8', format: 'pem' });
  const signer = createLeafSigner({ root, publicKey: publicKeyDer(privateKey), days, clock });
  // A failure shows at each use, not as an unhandled rejection before the first.
  signer.catch(() => undefined);
  const intermediates = root.isSelfSigned ? '' : root.certificatePem + root.chainPem;
  const entries = new Map<string, Entry>();
  const counts = { hits: 0, issued: 0, evicted: 0 };

  const issue = (host: LeafHost): Entry => {
    const entry: Entry = { renewAt: Number.POSITIVE_INFINITY, context: make() };
    async function make(): Promise<SecureContext> {
      const leaf = await (await signer)(host);
      counts.issued++;
      const now = clock.now().getTime();
      entry.renewAt = now + ((leaf.notAfter.getTime() - now) * 2) / 3;
      return createSecureContext({
        key,
        cert: leaf.pem + intermediates,
        minVersion: 'TLSv1.2',
        ecdhCurve: groups,
        // A second handshake costs us more than the client, and its server name would never be compared with CONNECT.
        secureOptions: constants.SSL_OP_NO_RENEGOTIATION,
      });
    }
    return entry;
  };

  return {
    root,
    stats: () => ({ contexts: entries.size, ...counts }),
    async contextFor(text) {
      const host = parseLeafHost(text);
      const known = entries.get(host.name);
      const isFresh = known !== undefined && clock.now().getTime() < known.renewAt;
      if (isFresh) counts.hits++;
      const entry = isFresh ? known : issue(host);
      // Deleting first moves the host to the young end of the map.
      entries.delete(host.name);
      entries.set(host.name, entry);
      evict();
      try {
        return await entry.context;
      } catch (error) {
        if (entries.get(host.name) === entry) entries.delete(host.name);
        throw error;
      }
    },
  };

  function evict(): void {
    for (const oldest of entries.keys()) {
      if (entries.size <= maxContexts) return;
      entries.delete(oldest);
      counts.evicted++;
    }
  }
}
