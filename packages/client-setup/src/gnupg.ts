import type { Client } from './client.js';

/** Paths of sockets end at 107 bytes on Linux; gpg's longest name is `S.gpg-agent.browser`. */
const longestHome = 80;

/**
 * gpg fetches keys through dirmngr, which has no variable for proxy or roots: only options in gpg's home. So the session has a
 * home of its own, empty but for them; keys of the user stay outside. A folder whose sockets could not be made is left out,
 * because gpg would not work at all.
 */
export const gnupg: Client = ({ proxy, bundle, inside }) => ({
  env: { ...(Buffer.byteLength(inside('gnupg')) <= longestHome && { GNUPGHOME: inside('gnupg') }) },
  files: [
    {
      name: 'gnupg/dirmngr.conf',
      content: [
        `http-proxy ${proxy.url}`,
        `hkp-cacert ${bundle}`,
        // Neither of these goes through a proxy.
        'disable-ldap',
        'standard-resolver',
        '',
      ].join('\n'),
      description: 'dirmngr (gpg): proxy and trust',
      // gpg complains of a home that others may look into.
      isSecret: true,
    },
  ],
});
