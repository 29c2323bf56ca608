import type { LookupAddress } from 'node:dns';
import { lookup as systemLookup } from 'node:dns/promises';
import { isIP } from 'node:net';
import type { EgressGuard } from '@waybill/contracts';
import { ProxyError } from '../errors.js';
import type { Authority } from '../http/authority.js';
import type { Lookup } from '../options.js';

/** Resolves with the system's resolver: `/etc/hosts`, search domains and all. */
export const resolveWithSystem: Lookup = (host) => systemLookup(host, { all: true });

/**
 * Addresses of a destination that may be connected to. Whoever connects must use these and not resolve again: a name that
 * answers differently the second time (DNS rebinding) would otherwise get past the guard.
 *
 * @throws ProxyError PROXY_EGRESS_REFUSED when no address is allowed, PROXY_UPSTREAM_UNRESOLVED when there is none
 */
export async function allowedAddresses(
  { host, port }: Authority,
  guard: EgressGuard,
  lookup: Lookup,
): Promise<LookupAddress[]> {
  const family = isIP(host);
  const found = family === 0 ? await resolve(host, lookup) : [{ address: host, family }];
  const allowed: LookupAddress[] = [];
  let refusal: string | undefined;
  for (const candidate of found) {
    const reason = guard.refusalFor(candidate.address, port);
    if (reason === undefined) allowed.push(candidate);
    else refusal ??= reason;
  }
  if (allowed.length === 0 && refusal !== undefined) {
    throw new ProxyError('PROXY_EGRESS_REFUSED', family === 0 ? `${host}: ${refusal}` : refusal);
  }
  return allowed;
}

async function resolve(host: string, lookup: Lookup): Promise<readonly LookupAddress[]> {
  try {
    const found = await lookup(host);
    if (found.length > 0) return found;
  } catch (cause) {
    throw unresolved(host, cause);
  }
  throw unresolved(host, undefined);
}

function unresolved(host: string, cause: unknown): ProxyError {
  const code = (cause as NodeJS.ErrnoException | undefined)?.code;
  const isTemporary = code === 'EAI_AGAIN' || code === 'ETIMEOUT' || code === 'ESERVFAIL';
  return new ProxyError(
    'PROXY_UPSTREAM_UNRESOLVED',
    isTemporary
      ? `${host} cannot be resolved now: the name server does not answer (${code})`
      : `${host} cannot be resolved: no such name`,
    {
      cause,
      hint: isTemporary
        ? 'check the resolver of the machine that runs the proxy, then try again'
        : 'check the spelling of the host',
    },
  );
}
