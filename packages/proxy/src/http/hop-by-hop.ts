import { fieldValues, listMembers, type RawHeaders, withoutFields } from './headers.js';

/** Fields of one connection. RFC 9110 §7.6.1; `proxy-connection` and `keep-alive` are the historical ones. */
const hopByHop = new Set([
  'connection',
  'keep-alive',
  'proxy-authenticate',
  'proxy-authentication-info',
  'proxy-authorization',
  'proxy-connection',
  'te',
  'transfer-encoding',
  'upgrade',
]);

/**
 * Fields that no `Connection` header takes away, because the message would then mean something else to one side than to the
 * other (RFC 9110 §7.6.1: a sender must not name them).
 */
const endToEnd = new Set([
  'host',
  'content-length',
  'content-type',
  'content-encoding',
  'content-range',
  'authorization',
]);

/** The fields without hop-by-hop ones and without those that `Connection` names. */
export function withoutHopByHop(raw: RawHeaders): string[] {
  const named = connectionOptions(raw);
  return withoutFields(raw, (name) => hopByHop.has(name) || name.startsWith('proxy-') || named.has(name));
}

const none: ReadonlySet<string> = new Set();

function connectionOptions(raw: RawHeaders): ReadonlySet<string> {
  const fields = fieldValues(raw, 'connection');
  // The usual one names nothing that is not taken away in any case.
  if (fields.length === 0 || (fields.length === 1 && /^(keep-alive|close)$/i.test(fields[0] as string))) return none;
  const options = fields.flatMap(listMembers);
  return new Set(options.filter((option) => !endToEnd.has(option)));
}
