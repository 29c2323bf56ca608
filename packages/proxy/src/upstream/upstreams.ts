import type { Readable } from 'node:stream';
import { createSecureContext, getCACertificates, type SecureContext } from 'node:tls';
import type { EgressGuard } from '@waybill/contracts';
import { Pool } from 'undici';
import { ProxyError } from '../errors.js';
import type { ProxyLimits, UpstreamOptions } from '../options.js';
import { authenticatesConnection } from './connection-auth.js';
import { createConnector, isAllowedNow } from './connector.js';
import { resolveWithSystem } from './guarded-lookup.js';
import { hostHeaderOf, originOf, type Target } from './target.js';
import { Transfer } from './transfer.js';
import { chooseUpstreamProxy } from './upstream-proxy.js';

/** One request to an upstream. */
export interface UpstreamRequest {
  readonly target: Target;
  /** The whole URL, normalised: what an answer is remembered under. */
  readonly url: string;
  readonly method: string;
  /** Path and query. */
  readonly path: string;
  /** Raw list without `Host`, framing and hop-by-hop fields. */
  readonly headers: readonly string[];
  readonly body?: Uint8Array | Readable | undefined;
  /** Announced length of a streamed body; undefined = chunked. */
  readonly contentLength?: number | undefined;
  readonly connectTimeoutMs: number;
  readonly idleTimeoutMs: number;
  /** Fewer bytes of a body than this in `idleTimeoutMs` are as good as none; 0 = any byte will do. */
  readonly idleBytes?: number | undefined;
}

/** Kept connections to all upstreams. */
export interface Upstreams {
  /** Starts a request; never throws: what goes wrong comes out of the transfer. */
  open(request: UpstreamRequest): Transfer;
  /** Whether the destination may be connected to; asked for answers that need no connection. Remembered for some seconds. */
  isAllowed(request: Pick<UpstreamRequest, 'target' | 'connectTimeoutMs'>): Promise<boolean>;
  /** Judges all destinations anew: kept connections are given up once they are idle. */
  setEgress(guard: EgressGuard): void;
  stats(): {
    readonly origins: number;
    readonly connections: number;
    readonly running: number;
    readonly queued: number;
  };
  /** Breaks everything off. */
  close(): Promise<void>;
}

/** As long as resolvers commonly keep what they were told at least. */
const judgedMs = 10_000;

/** @throws ProxyError PROXY_OPTIONS_INVALID */
export function createUpstreams(options: {
  readonly egress: EgressGuard;
  readonly upstream: UpstreamOptions;
  readonly limits: ProxyLimits;
}): Upstreams {
  const { limits, upstream } = options;
  const secureContext = createRoots(upstream.ca);
  const viaFor = chooseUpstreamProxy(upstream);
  const lookup = upstream.lookup ?? resolveWithSystem;
  const retired = new Set<Pool>();
  let guard = options.egress;
  let isClosed = false;
  /** What was found of destinations, and until when it holds; monotonic milliseconds. */
  const judged = new Map<string, { readonly verdict: Promise<boolean>; readonly untilMs: number }>();
  /** Least recently used first. */
  let pools = new Map<string, Pool>();

  function poolFor({ target, connectTimeoutMs: timeoutMs }: UpstreamRequest): Pool {
    // Sessions may differ in how long they wait, and a pool has one connector.
    const key = `${originOf(target)} ${timeoutMs}`;
    const known = pools.get(key);
    if (known) {
      pools.delete(key);
      pools.set(key, known);
      return known;
    }
    const pool = new Pool(originOf(target), {
      connect: createConnector({ target, guard, lookup, secureContext, timeoutMs, via: viaFor(target) }),
      connections: limits.connectionsPerOrigin,
      allowH2: false,
      pipelining: 1,
      maxHeaderSize: limits.headerBytes,
    });
    pools.set(key, pool);
    if (pools.size > limits.origins) retireOldest();
    return pool;
  }

  function isAllowed({ target, connectTimeoutMs: timeoutMs }: Pick<UpstreamRequest, 'target' | 'connectTimeoutMs'>) {
    const key = originOf(target);
    const known = judged.get(key);
    const now = performance.now();
    if (known && now < known.untilMs) return known.verdict;
    const verdict = isAllowedNow({ target, guard, lookup, timeoutMs, via: viaFor(target) });
    judged.delete(key);
    judged.set(key, { verdict, untilMs: now + judgedMs });
    for (const oldest of judged.keys()) {
      if (judged.size <= limits.origins) break;
      judged.delete(oldest);
    }
    return verdict;
  }

  function retireOldest(): void {
    const [oldest] = pools;
    if (!oldest) return;
    pools.delete(oldest[0]);
    retire(oldest[1]);
  }

  function retire(pool: Pool): void {
    retired.add(pool);
    const gone = () => retired.delete(pool);
    pool.close().then(gone, gone);
  }

  function send(request: UpstreamRequest, transfer: Transfer): void {
    if (isClosed) {
      transfer.abort(new ProxyError('PROXY_CLOSED', 'the proxy is stopping'));
      return;
    }
    const { target, method, path, body, contentLength, idleTimeoutMs } = request;
    const via = target.protocol === 'http:' ? viaFor(target) : undefined;
    const headers = ['Host', hostHeaderOf(target), ...request.headers];
    if (contentLength !== undefined) headers.push('Content-Length', String(contentLength));
    if (via?.authorization) headers.push('Proxy-Authorization', via.authorization);
    try {
      poolFor(request).dispatch(
        {
          method,
          path: via ? `http://${hostHeaderOf(target)}${path}` : path,
          headers,
          body: body ?? null,
          reset: authenticatesConnection(request.headers),
          headersTimeout: idleTimeoutMs,
          bodyTimeout: idleTimeoutMs,
        },
        transfer,
      );
    } catch (error) {
      transfer.abort(error as Error);
    }
  }

  return {
    open(request) {
      const { idleBytes = 0, idleTimeoutMs } = request;
      const transfer = new Transfer(idleBytes > 0 ? { bytes: idleBytes, inMs: idleTimeoutMs } : undefined);
      send(request, transfer);
      return transfer;
    },
    isAllowed,
    setEgress(next) {
      guard = next;
      judged.clear();
      const old = pools;
      pools = new Map();
      for (const pool of old.values()) retire(pool);
    },
    stats() {
      const all = [...pools.values(), ...retired].map((pool) => pool.stats);
      const sum = (key: 'connected' | 'running' | 'queued') =>
        all.reduce((total, stats) => total + (stats[key] ?? 0), 0);
      return { origins: pools.size, connections: sum('connected'), running: sum('running'), queued: sum('queued') };
    },
    async close() {
      isClosed = true;
      const reason = new ProxyError('PROXY_CLOSED', 'the proxy is stopping');
      await Promise.allSettled([...pools.values(), ...retired].map((pool) => pool.destroy(reason)));
      pools.clear();
    },
  };
}

/** One context for all upstreams: reading some hundred roots again for each connection would cost milliseconds. */
function createRoots(ca: readonly string[] | undefined): SecureContext {
  try {
    return createSecureContext({ ca: ca ? [...ca] : systemRoots(), minVersion: 'TLSv1.2' });
  } catch (cause) {
    throw new ProxyError('PROXY_OPTIONS_INVALID', 'upstream.ca holds something else than PEM certificates', { cause });
  }
}

function systemRoots(): string[] {
  const system = getCACertificates('system');
  return system.length > 0 ? system : getCACertificates('default');
}
