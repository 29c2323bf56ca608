import type { LookupAddress } from 'node:dns';
import {
  type BlobStore,
  type Clock,
  type EgressGuard,
  type LeafIssuer,
  type Logger,
  type SessionAuthority,
  type SessionStore,
  silentLogger,
  systemClock,
} from '@waybill/contracts';
import { ProxyError } from './errors.js';
import type { ReadRecordedUse } from './limits/session-use.js';
import type { ProxyObserver } from './observer.js';
import { type AnswerMemory, createAnswerMemory } from './reuse/answer-memory.js';

/** Finds all addresses of a name, IPv4 and IPv6. */
export type Lookup = (host: string) => Promise<readonly LookupAddress[]>;

/** How upstreams are reached. */
export interface UpstreamOptions {
  /** Roots that upstream certificates are verified against, PEM. Default: the system's store, else Node's own. */
  readonly ca?: readonly string[] | undefined;
  /** Proxy for http targets, e.g. `http://user:password@proxy.example:3128`. specs/fetch-service.md §3.7. */
  readonly httpProxy?: string | undefined;
  /** Proxy for https targets. */
  readonly httpsProxy?: string | undefined;
  /** Comma list of host names or shell globs that are reached directly. */
  readonly noProxy?: string | undefined;
  /** Default: the system resolver. */
  readonly lookup?: Lookup | undefined;
}

/** Limits of the process, beside those of each session. Sizes in bytes, times in milliseconds. */
export interface ProxyLimits {
  /** Client connections; beyond, the oldest that has shown no credentials goes. A session may have as many as are free. */
  readonly maxConnections: number;
  /** Exchanges under way; others wait for their turn. A session may have as many as are free. */
  readonly maxExchanges: number;
  /** How long an exchange waits for its turn. */
  readonly turnWaitMs: number;
  /** Request line and header fields, and upstream's header fields. */
  readonly headerBytes: number;
  readonly headerFields: number;
  /** Target of a request; every glob is matched against all of it. */
  readonly urlBytes: number;
  /** From connecting (or the last answer in a tunnel) to the end of the next request's header fields. */
  readonly headersTimeoutMs: number;
  /** A tunnel or kept connection without any request. */
  readonly idleTimeoutMs: number;
  /** A client that neither sends the body it announced nor reads the one it asked for. */
  readonly clientStallMs: number;
  /** Fewer bytes than this of a request body in `clientStallMs` are as good as none. */
  readonly clientStallBytes: number;
  /** Bodies up to this size stay in memory until they are released. */
  readonly smallBodyBytes: number;
  /** How much of a withheld body is read so that the upstream connection can be used again. */
  readonly drainBytes: number;
  /** Upstream origins with kept connections. */
  readonly origins: number;
  /** Of all sessions together; one may have as many as are free. */
  readonly connectionsPerOrigin: number;
  /** Records in one transaction. */
  readonly recordBatch: number;
  /** Records waiting for one. */
  readonly recordQueue: number;
  /** Largest decoded form of a body, as a multiple of its size; never below 16 MiB. */
  readonly expansionFactor: number;
}

export const defaultLimits: ProxyLimits = {
  maxConnections: 4096,
  maxExchanges: 2048,
  turnWaitMs: 30_000,
  headerBytes: 64 * 1024,
  headerFields: 256,
  urlBytes: 16 * 1024,
  headersTimeoutMs: 60_000,
  idleTimeoutMs: 120_000,
  clientStallMs: 300_000,
  clientStallBytes: 1024,
  smallBodyBytes: 256 * 1024,
  drainBytes: 1024 * 1024,
  origins: 256,
  connectionsPerOrigin: 128,
  recordBatch: 256,
  recordQueue: 16_384,
  expansionFactor: 256,
};

/** What the proxy is made of. */
export interface ProxyOptions {
  /** Default host `127.0.0.1`; port 0 picks a free one. */
  readonly listen: { readonly host?: string | undefined; readonly port: number };
  readonly sessions: SessionAuthority;
  readonly issuer: LeafIssuer;
  readonly blobs: BlobStore;
  readonly store: Pick<SessionStore, 'record' | 'catalogs'>;
  readonly egress: EgressGuard;
  /** What a session has used according to its records, for quotas that hold over several processes and restarts. */
  readonly recordedUse?: ReadRecordedUse | undefined;
  /** Processes that share the sessions: what quotas allow at a time, or in a second, is divided by it. Default 1. */
  readonly processes?: number | undefined;
  readonly upstream?: UpstreamOptions | undefined;
  readonly limits?: Partial<ProxyLimits> | undefined;
  readonly clock?: Clock | undefined;
  readonly logger?: Logger | undefined;
  readonly observer?: ProxyObserver | undefined;
  /** Approved answers whose bodies may be reused. Default: those of this process, in memory. */
  readonly answers?: AnswerMemory | undefined;
}

/** Options with every default filled in. */
export type ProxySettings = {
  readonly [Key in Exclude<keyof ProxyOptions, 'limits' | 'recordedUse'>]-?: NonNullable<ProxyOptions[Key]>;
} & { readonly limits: ProxyLimits; readonly recordedUse: ReadRecordedUse | undefined };

/** @throws ProxyError PROXY_OPTIONS_INVALID */
export function resolveOptions(options: ProxyOptions): ProxySettings {
  const { port } = options.listen;
  if (!Number.isInteger(port) || port < 0 || port > 65535) {
    throw new ProxyError('PROXY_OPTIONS_INVALID', `listen.port must be between 0 and 65535, found ${port}`);
  }
  const given = Object.entries(options.limits ?? {}).filter(([, value]) => value !== undefined);
  return {
    ...options,
    listen: { host: options.listen.host ?? '127.0.0.1', port },
    limits: { ...defaultLimits, ...Object.fromEntries(given) },
    recordedUse: options.recordedUse,
    processes: options.processes ?? 1,
    upstream: options.upstream ?? {},
    clock: options.clock ?? systemClock,
    logger: options.logger ?? silentLogger,
    observer: options.observer ?? {},
    answers: options.answers ?? createAnswerMemory(),
  };
}
