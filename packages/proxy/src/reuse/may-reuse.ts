import type { Exchange } from '../exchange.js';
import type { UpstreamRequest } from '../upstream/upstreams.js';

/** Conditions that the upstream has to answer itself. */
const forTheUpstream = new Set(['if-match', 'if-unmodified-since', 'range']);

/** Whether stored bodies may take part in the answer: plain GETs of sessions that have not turned it off. */
export function mayReuse({ session }: Exchange, { method, body, headers }: UpstreamRequest): boolean {
  if (session?.limits.reuse === 'off' || method !== 'GET' || body !== undefined) return false;
  return !headers.some((name, i) => i % 2 === 0 && forTheUpstream.has(name.toLowerCase()));
}
