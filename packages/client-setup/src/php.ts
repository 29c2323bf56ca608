import type { Client } from './client.js';

/** PHP composer follows the proxy variables; its bundle has a variable of its own. Its cache lies in the session. */
export const php: Client = ({ bundle, inside }) => ({
  env: { COMPOSER_CAFILE: bundle, COMPOSER_CACHE_DIR: inside('php/composer-cache') },
});
