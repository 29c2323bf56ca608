import type { Claim, SessionInspectors, SessionPolicy } from './inspection.js';

/** A credential to apply to an upstream request. Never recorded, logged or sent to a client. */
export type InjectedCredential =
  | { readonly type: 'header'; readonly name: string; readonly value: string }
  | { readonly type: 'keystone-v3'; readonly user: string; readonly password: string }
  | {
      /** The session has a secret for this URL but this process does not know it (lost at a restart): refuse. */
      readonly type: 'lost';
    };

/** Limits of one session's exchanges. Sizes in bytes, times in milliseconds. */
export interface ExchangeLimits {
  /** Request bodies up to this size are read whole and shown to inspectors. */
  readonly inspectedRequestBytes: number;
  /** Largest response body; 0 = no limit but the disk. */
  readonly artifactBytes: number;
  readonly inspectionTimeoutMs: number;
  /** Strict, body not vouched for: after this time the headers go out and the body stays back (specs §3.4); 0 = never. */
  readonly earlyHeadersAfterMs: number;
  /** `stream` lets a body flow whose digest is already vouched for, with its tail held; `whole` never does. */
  readonly hold: 'stream' | 'whole';
  /** `off`: everything is asked of the upstream, whatever the blob store has. */
  readonly reuse: 'on' | 'off';
  /** Upstream: connect, and silence between bytes. */
  readonly upstreamConnectTimeoutMs: number;
  readonly upstreamIdleTimeoutMs: number;
  /** A body that brings fewer bytes than this in `upstreamIdleTimeoutMs` counts as silent; undefined or 0 = any byte is enough. */
  readonly upstreamIdleBytes?: number | undefined;
  /** undefined = none. */
  readonly quotas?: SessionQuotas | undefined;
}

/** What one session may use of the service; 0 = as much as there is. */
export interface SessionQuotas {
  /** Client connections at a time; more are refused. */
  readonly connections: number;
  /** Exchanges at a time; more wait for a while. */
  readonly exchanges: number;
  /** More wait for a while. */
  readonly requestsPerSecond: number;
  /** Body bytes from upstreams; more are read later. */
  readonly bytesPerSecond: number;
  /** Body bytes from upstreams in the session's life. */
  readonly totalBytes: number;
  /** Artifacts brought in in the session's life, each transfer counted. */
  readonly downloads: number;
}

/** A request as far as it carries something to the upstream. */
export interface OutgoingRequest {
  readonly method: string;
  readonly normalizedUrl: string;
  /** Node's raw list, as the client sent it. */
  readonly rawHeaders: readonly string[];
  /** As sent; Infinity when it is not known beforehand. */
  readonly bodyBytes: number;
}

/** Bounds what requests carry out of a build. */
export interface RequestPolicy {
  /** undefined = within bounds. `claims`: inspectors that say Pending may need more than the bounds allow. */
  refusalFor(
    request: OutgoingRequest,
    claims: readonly Claim[],
  ): { readonly reason: string; readonly hint: string } | undefined;
}

/** What the proxy knows of a live session. */
export interface ActiveSession {
  readonly id: string;
  readonly policy: SessionPolicy;
  /** Aborted when the session is revoked, expires or ends: every transfer in flight stops (promise 3). */
  readonly signal: AbortSignal;
  readonly inspectors: SessionInspectors;
  readonly limits: ExchangeLimits;
  /** undefined = requests may carry what inspectors let pass. */
  readonly requestPolicy?: RequestPolicy | undefined;
  /** The first secret whose glob matches. specs §3.6. */
  credentialFor(normalizedUrl: string): InjectedCredential | undefined;
  /** Called for each request: idle timers, counters. */
  touch(): void;
}

/** Why credentials were not accepted. */
export type AuthenticationFailure = 'unknown' | 'wrong-token' | 'revoked' | 'expired' | 'ended';

/** Checks proxy credentials; constant time in the token. */
export interface SessionAuthority {
  authenticate(id: string, token: string): Promise<ActiveSession | AuthenticationFailure>;
}

/** Says whether an upstream address may be connected to, after resolution and before connecting. */
export interface EgressGuard {
  /** undefined = allowed, else the reason. `address` is a literal IPv4/IPv6 address. */
  refusalFor(address: string, port: number): string | undefined;
}
