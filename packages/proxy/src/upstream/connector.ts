import type { LookupAddress, LookupOptions } from 'node:dns';
import { isIP, type LookupFunction, type Socket } from 'node:net';
import type { SecureContext } from 'node:tls';
import type { EgressGuard } from '@waybill/contracts';
import { buildConnector } from 'undici';
import { ProxyError } from '../errors.js';
import type { Lookup } from '../options.js';
import { allowedAddresses } from './guarded-lookup.js';
import { openProxyTunnel } from './proxy-tunnel.js';
import type { Target } from './target.js';
import type { UpstreamProxy } from './upstream-proxy.js';

/** What connecting to one origin needs. */
export interface ConnectorOptions {
  readonly target: Target;
  readonly guard: EgressGuard;
  readonly lookup: Lookup;
  readonly secureContext: SecureContext;
  readonly timeoutMs: number;
  readonly via: UpstreamProxy | undefined;
}

/**
 * Connects to one origin: the destination's addresses are found and judged first, and exactly these are connected to. Through
 * an upstream proxy, which resolves by itself, the addresses that we see are judged all the same.
 */
export function createConnector(options: ConnectorOptions): buildConnector.connector {
  const { target, secureContext, timeoutMs: timeout, via } = options;
  const { host } = target.authority;
  let addresses: readonly LookupAddress[] = [];
  const connect = buildConnector({
    timeout,
    allowH2: false,
    secureContext,
    // Said again because NODE_TLS_REJECT_UNAUTHORIZED=0 in the environment would turn verification off.
    rejectUnauthorized: true,
    autoSelectFamily: true,
    // Node's 250 ms per address is less than one round trip to far servers.
    autoSelectFamilyAttemptTimeout: 1_000,
    lookup: ((_host: string, wanted: LookupOptions, done: (e: null, a: unknown, f?: number) => void) => {
      const [first] = addresses;
      if (wanted.all) done(null, addresses);
      else done(null, first?.address, first?.family);
    }) as LookupFunction,
  });
  return (asked, callback) => {
    const settle: buildConnector.Callback = (...result) => {
      if (result[1]) markResets(result[1]);
      callback(...result);
    };
    const destination = { ...asked, servername: isIP(host) ? '' : host };
    withinTime(judge(options), options)
      .then(async (allowed) => {
        addresses = allowed;
        if (!via) return connect(destination, settle);
        const httpSocket = await openProxyTunnel({ target, via, timeoutMs: timeout, secureContext });
        if (target.protocol === 'http:') return settle(null, httpSocket);
        return connect({ ...destination, httpSocket }, settle);
      })
      .catch((error: Error) => settle(error, null));
  };
}

/**
 * Whether a connection to the destination would be allowed now, without making one: resolved and judged like any.
 */
export async function isAllowedNow(options: Omit<ConnectorOptions, 'secureContext'>): Promise<boolean> {
  try {
    await withinTime(judge(options), options);
    return true;
  } catch {
    return false;
  }
}

async function judge({
  target,
  guard,
  lookup,
  via,
}: Omit<ConnectorOptions, 'secureContext'>): Promise<readonly LookupAddress[]> {
  try {
    return await allowedAddresses(target.authority, guard, lookup);
  } catch (error) {
    // Behind an upstream proxy only that proxy may know the name.
    if (via && (error as { code?: unknown }).code === 'PROXY_UPSTREAM_UNRESOLVED') return [];
    throw error;
  }
}

/** Resolvers have time-outs of their own, but not always shorter ones. */
async function withinTime<Value>(
  work: Promise<Value>,
  { target, timeoutMs }: Pick<ConnectorOptions, 'target' | 'timeoutMs'>,
): Promise<Value> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_resolve, reject) => {
    const reason = `${target.authority.host} was not resolved in time (limits.upstream-connect-timeout-ms)`;
    timer = setTimeout(() => reject(new ProxyError('PROXY_UPSTREAM_TIMEOUT', reason)), timeoutMs);
  });
  try {
    return await Promise.race([work, late]);
  } finally {
    clearTimeout(timer);
  }
}

/**
 * undici takes a connection reset for the regular end of a body without length; a truncated body would become a whole one.
 * Under another code the reset is an error like any other.
 */
function markResets(socket: Socket): void {
  socket.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code === 'ECONNRESET') error.code = 'EWAYBILL_RESET';
  });
}
