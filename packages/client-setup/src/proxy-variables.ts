import type { Client } from './client.js';

/**
 * The variables that most clients read, in both cases because each client has its favourite. `NO_PROXY` is empty: an exception
 * is a way around the session.
 */
export const proxyVariables: Client = ({ proxy }) => ({
  env: {
    http_proxy: proxy.url,
    https_proxy: proxy.url,
    all_proxy: proxy.url,
    no_proxy: '',
    HTTP_PROXY: proxy.url,
    HTTPS_PROXY: proxy.url,
    ALL_PROXY: proxy.url,
    NO_PROXY: '',
  },
});
