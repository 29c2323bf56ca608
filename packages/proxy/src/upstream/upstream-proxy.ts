import { ProxyError } from '../errors.js';
import type { UpstreamOptions } from '../options.js';
import type { Target } from './target.js';

/** A forward proxy between us and upstreams. */
export interface UpstreamProxy {
  readonly url: URL;
  /** `Proxy-Authorization` value made of the URL's user info. Never logged. */
  readonly authorization: string | undefined;
}

/** Which upstream proxy a target goes through; undefined = directly. specs/fetch-service.md §3.7. */
export type ProxyChoice = (target: Target) => UpstreamProxy | undefined;

/** @throws ProxyError PROXY_OPTIONS_INVALID */
export function chooseUpstreamProxy({ httpProxy, httpsProxy, noProxy }: UpstreamOptions): ProxyChoice {
  const forHttp = parseProxy('httpProxy', httpProxy);
  const forHttps = parseProxy('httpsProxy', httpsProxy);
  const bypass = (noProxy ?? '')
    .split(',')
    .map((entry) => entry.trim().toLowerCase())
    .filter((entry) => entry !== '');
  return ({ protocol, authority }) => {
    if (bypass.some((pattern) => matchesHostGlob(pattern, authority.host))) return undefined;
    return protocol === 'https:' ? forHttps : forHttp;
  };
}

function parseProxy(option: string, text: string | undefined): UpstreamProxy | undefined {
  if (text === undefined || text.trim() === '') return undefined;
  let url: URL;
  try {
    url = new URL(/^[a-z][a-z0-9+.-]*:\/\//i.test(text) ? text : `http://${text}`);
  } catch {
    // The text may hold a password: it is not repeated.
    throw new ProxyError('PROXY_OPTIONS_INVALID', `upstream.${option} is not a URL`, {
      hint: 'write http://host:port',
    });
  }
  if (url.protocol !== 'http:' && url.protocol !== 'https:') {
    throw new ProxyError(
      'PROXY_OPTIONS_INVALID',
      `upstream.${option} has the scheme ${url.protocol}, wanted http or https`,
    );
  }
  const user = decodeURIComponent(url.username);
  const password = decodeURIComponent(url.password);
  const credentials = Buffer.from(`${user}:${password}`).toString('base64');
  url.username = '';
  url.password = '';
  return { url, authorization: user === '' && password === '' ? undefined : `Basic ${credentials}` };
}

/** Shell-style glob on a host name: `*` any run, `?` one character. Linear in pattern times host. */
export function matchesHostGlob(pattern: string, host: string): boolean {
  let at = 0;
  let star = -1;
  let retry = 0;
  let p = 0;
  while (at < host.length) {
    if (p < pattern.length && pattern[p] === '*') {
      star = p++;
      retry = at;
    } else if (p < pattern.length && (pattern[p] === '?' || pattern[p] === host[at])) {
      p++;
      at++;
    } else if (star >= 0) {
      p = star + 1;
      at = ++retry;
    } else return false;
  }
  while (pattern[p] === '*') p++;
  return p === pattern.length;
}
