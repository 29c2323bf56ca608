import type { CacheGrant, CacheRight, CacheStore, CacheWriter, CredentialKind } from '@waybill/cache-store';
import type { Logger } from '@waybill/contracts';
import type { CacheMetrics } from './cache-metrics.js';

/** What callers without credentials may do. */
export type OpenRight = 'none' | 'read' | 'write';

/** What of a listener decides who may do what. */
export interface ListenerRules {
  /** What everybody may do here, in all namespaces that are not closed (`public: false`). */
  readonly anonymous: OpenRight;
  /** What everybody with a certificate of the listener's client CA may do, known as a principal or not. */
  readonly certified?: OpenRight | undefined;
}

/** How a request came to us: kept beside it, since HTTP/1.1, HTTP/2 and gRPC show it in different ways. */
export interface Arrival {
  readonly listener: ListenerRules;
  /** IPv4 as people write it also where the socket speaks IPv6. */
  readonly address?: string | undefined;
  /** Client certificate that the listener's client CA vouches for; unverified ones are not kept. */
  readonly certificate?: ClientCertificate | undefined;
}

export interface ClientCertificate {
  /** sha256 of the DER in lower-case hex. */
  readonly sha256: string;
  /** Common name, for the record only. */
  readonly name?: string | undefined;
}

/** All that says who calls. */
export interface Credentials extends Arrival {
  /** Value of the header field `authorization`. */
  readonly authorization?: string | undefined;
  /** `:authority` or Host: Bazel sends `user:password@host` there. specs/artifact-cache.md §4.6 */
  readonly authority?: string | undefined;
}

/** Who calls. */
export interface Caller {
  /** Id of the principal; `anonymous` for nobody in particular. */
  readonly principal: string;
  readonly credential: CredentialKind | 'none';
  /** What was granted to this very principal. What is open to all is not among them: ask `may`. */
  readonly grants: readonly CacheGrant[];
  /** What the listener lets everybody do. */
  readonly open: OpenRight;
  readonly address?: string | undefined;
}

/** Bounds that all protocols keep. */
export interface ServingLimits {
  /** Largest body of one blob; a namespace may say less. */
  readonly maxBlobBytes: number;
  /** Most digests in one question or batch. */
  readonly maxBatch: number;
  /** Largest message or document that is held in memory. */
  readonly maxMessageBytes: number;
}

export const defaultLimits: ServingLimits = {
  maxBlobBytes: 64 * 1024 ** 3,
  maxBatch: 10_000,
  maxMessageBytes: 4 * 1024 ** 2,
};

/** What every protocol is given. */
export interface Serving {
  readonly store: CacheStore;
  readonly log: Logger;
  readonly metrics: CacheMetrics;
  readonly limits: ServingLimits;
  /** Where clients pull and push, as the configuration says. */
  readonly links: { readonly pullUrl?: string | undefined; readonly pushUrl?: string | undefined };
  /**
   * Who calls. Without credentials: `anonymous`.
   * @throws AccessError UNAUTHENTICATED for credentials that are wrong, also where nobody would have to show any
   */
  identify(credentials: Credentials): Promise<Caller>;
  /** Whether the caller may; for what is shown or hidden. */
  may(caller: Caller, namespace: string, right: CacheRight): boolean;
  /**
   * Refuses what the caller may not do; a refused write is noted in the audit log.
   * @throws AccessError UNAUTHENTICATED (anonymous), FORBIDDEN (known, without the right)
   */
  require(caller: Caller, namespace: string, right: CacheRight): void;
}

/** The writer that a caller is, for the record. @param client what the client calls itself; cut to 200 characters */
export function writerOf(caller: Caller, client?: string): CacheWriter {
  return {
    principal: caller.principal,
    ...(client ? { client: client.slice(0, 200) } : {}),
    ...(caller.address ? { address: caller.address } : {}),
  };
}
