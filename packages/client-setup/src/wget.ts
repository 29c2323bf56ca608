import type { Client } from './client.js';

/** wget reads its bundle from a file only; ours stands in for the user's `.wgetrc`, which may switch proxy or checks off. */
export const wget: Client = ({ proxy, bundle, inside }) => ({
  env: { WGETRC: inside('wgetrc') },
  files: [
    {
      name: 'wgetrc',
      content: [
        'use_proxy = on',
        `http_proxy = ${proxy.url}`,
        `https_proxy = ${proxy.url}`,
        'no_proxy =',
        `ca_certificate = ${bundle}`,
        'check_certificate = on',
        '',
      ].join('\n'),
      description: 'wget options: proxy and trust',
      isSecret: proxy.user !== undefined,
    },
  ],
});
