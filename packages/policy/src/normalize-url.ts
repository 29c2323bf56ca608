import { redactUrl } from '@waybill/contracts';
import { PolicyError } from './policy-error.js';

/**
 * The one spelling of a URL that globs match and reports show: https with its port always explicit
 * (`https://host:443/path?query`), http without its default port, no user info, no fragment, no empty query.
 *
 * Case of the host, dot segments (`/../`, `/%2e%2e/`), default ports and international names are already settled by `URL`
 * itself; percent encodings of anything else stay as they are, because `%2F` and `/` are different paths for a server.
 *
 * @throws PolicyError POLICY_URL_UNSUPPORTED for any scheme but http and https, or without a host
 * @see specs/fetch-service.md §3.3
 */
export function normalizeUrl(url: URL): string {
  if ((url.protocol !== 'https:' && url.protocol !== 'http:') || url.hostname === '') {
    throw new PolicyError(
      'POLICY_URL_UNSUPPORTED',
      `expected an http or https URL, found ${JSON.stringify(redactUrl(url.href).slice(0, 200))}`,
    );
  }
  const port = url.port || (url.protocol === 'https:' ? '443' : '');
  return `${url.protocol}//${url.hostname}${port && `:${port}`}${url.pathname}${url.search}`;
}
