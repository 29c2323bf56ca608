import { type RawHeaders, withoutFields } from './headers.js';
import { withoutHopByHop } from './hop-by-hop.js';

/**
 * Fields that mean something only before the body: framing, routing, what the body is, and what the client does with it. Merged
 * into the head by a client they would change what was judged. RFC 9110 §6.5.1.
 */
const headOnly = new Set([
  ...['host', 'trailer', 'content-length', 'content-encoding', 'content-type', 'content-range', 'content-location'],
  ...[
    'authorization',
    'www-authenticate',
    'set-cookie',
    'location',
    'refresh',
    'cache-control',
    'expires',
    'age',
    'vary',
  ],
]);

/** Trailers that may be passed on. */
export function passableTrailers(raw: RawHeaders): string[] {
  return withoutFields(withoutHopByHop(raw), (name) => headOnly.has(name));
}
