import { type Authority, formatAuthority } from '../http/authority.js';

/** Where an upstream request goes. */
export interface Target {
  readonly protocol: 'http:' | 'https:';
  readonly authority: Authority;
}

/** Port that URLs of this protocol leave out. */
export function defaultPort(protocol: Target['protocol']): number {
  return protocol === 'https:' ? 443 : 80;
}

/** The target of an absolute http or https URL. */
export function targetOf(url: URL): Target {
  const protocol = url.protocol === 'https:' ? 'https:' : 'http:';
  const host = url.hostname.startsWith('[') ? url.hostname.slice(1, -1) : url.hostname;
  return { protocol, authority: { host, port: url.port === '' ? defaultPort(protocol) : Number(url.port) } };
}

/** `https://host:port`, the key of pools and the origin that undici wants. */
export function originOf({ protocol, authority }: Target): string {
  return `${protocol}//${formatAuthority(authority)}`;
}

/** Value of the `Host` header. */
export function hostHeaderOf({ protocol, authority }: Target): string {
  return formatAuthority(authority, defaultPort(protocol));
}
