import type { Client } from './client.js';

/**
 * curl takes proxy and bundle from variables (see `proxyVariables`, `bundleVariables`). What could still send it elsewhere is
 * the user's `.curlrc` (`noproxy`, `proxy`, `insecure`): a folder of ours is searched instead.
 */
export const curl: Client = ({ inside }) => ({
  env: { CURL_HOME: inside('curl') },
  files: [
    {
      name: 'curl/.curlrc',
      content: '# Empty on purpose: options of the user must not lead around the session.\n',
      description: 'curl options',
    },
  ],
});
