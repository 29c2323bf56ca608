import { redactUrl } from '@waybill/contracts';
import type { ProxyAddress } from './client.js';
import { ClientSetupError } from './client-setup-error.js';

/** @throws ClientSetupError SETUP_PROXY_INVALID */
export function parseProxyUrl(text: string): ProxyAddress {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  const isPlain =
    url?.protocol === 'http:' && (url.pathname === '/' || url.pathname === '') && url.search === '' && url.hash === '';
  if (!url || !isPlain || url.hostname === '') {
    throw new ClientSetupError(
      'SETUP_PROXY_INVALID',
      `expected a proxy URL, found ${JSON.stringify(redactUrl(text).slice(0, 200))}`,
      {
        hint: 'write http://HOST:PORT or http://SESSION:TOKEN@HOST:PORT',
      },
    );
  }
  const host = url.hostname.replace(/^\[(.*)\]$/, '$1');
  return {
    url: url.href.replace(/\/$/, ''),
    host,
    port: url.port === '' ? 80 : Number(url.port),
    ...(url.username !== '' && { user: decodeURIComponent(url.username), password: decodeURIComponent(url.password) }),
  };
}
