import { isIP, isIPv6 } from 'node:net';
import { ProxyError } from '../errors.js';

/** A destination: host without brackets, lower case, in its one canonical spelling, and port. */
export interface Authority {
  readonly host: string;
  readonly port: number;
}

const label = '[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?';
const dnsName = new RegExp(`^(?:${label}\\.)*${label}$`);
const longestName = 253;

/**
 * Parses `host:port` as CONNECT names it (RFC 9110 §9.3.6): the port is required. Host names are checked before anything is
 * looked up, cached or issued under them.
 *
 * @throws ProxyError PROXY_AUTHORITY_INVALID
 */
export function parseAuthority(text: string): Authority {
  return parse(text, undefined);
}

/**
 * Parses a `Host` header or the authority of a URL, where the port may be missing.
 * @throws ProxyError PROXY_AUTHORITY_INVALID
 */
export function parseHostHeader(text: string, defaultPort: number): Authority {
  return parse(text, defaultPort);
}

/** Text for URLs and headers: brackets around IPv6, no port when it is the default. */
export function formatAuthority({ host, port }: Authority, defaultPort?: number): string {
  const name = isIPv6(host) ? `[${host}]` : host;
  return port === defaultPort ? name : `${name}:${port}`;
}

/** Whether both name the same destination. */
export function isSameAuthority(a: Authority, b: Authority): boolean {
  return a.host === b.host && a.port === b.port;
}

function parse(text: string, defaultPort: number | undefined): Authority {
  const match = /^(\[[0-9a-fA-F:.]{2,45}\]|[^:[\]]{1,255})(?::([0-9]{1,5}))?$/.exec(text);
  if (!match?.[1]) throw invalid(text, 'expected host:port');
  if (match[2] === undefined && (defaultPort === undefined || text.endsWith(':')))
    throw invalid(text, 'the port is missing');
  const port = match[2] === undefined ? (defaultPort as number) : Number(match[2]);
  if (port < 1 || port > 65535) throw invalid(text, `port ${port} is not between 1 and 65535`);
  return { host: parseHost(match[1], text), port };
}

function parseHost(host: string, text: string): string {
  const lower = host.toLowerCase();
  if (lower.startsWith('[')) {
    if (!isIPv6(lower.slice(1, -1))) throw invalid(text, 'not an IPv6 address in brackets');
    return canonical(lower, text).slice(1, -1);
  }
  if (isIP(lower) === 4) return lower;
  if (lower.length > longestName || !dnsName.test(lower)) throw invalid(text, 'not a DNS name or IP address');
  // Names that every JavaScript object has: no host is called so, and whatever keeps hosts in an object is safe from them.
  if (lower in Object.prototype) throw invalid(text, 'not a host name');
  // `0x7f.1`, `2130706433`: URL reads these as addresses, so they would be one host to a certificate and another to a socket.
  if (canonical(lower, text) !== lower) throw invalid(text, 'not in canonical form');
  return lower;
}

function canonical(host: string, text: string): string {
  try {
    return new URL(`http://${host}/`).hostname;
  } catch (cause) {
    throw new ProxyError('PROXY_AUTHORITY_INVALID', `${quote(text)} names no host`, { cause });
  }
}

function invalid(text: string, why: string): ProxyError {
  return new ProxyError('PROXY_AUTHORITY_INVALID', `${quote(text)}: ${why}`, {
    hint: 'write host:port with a DNS name, an IPv4 address or an IPv6 address in brackets',
  });
}

function quote(text: string): string {
  return JSON.stringify(text.slice(0, 100));
}
