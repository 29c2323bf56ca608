import type { Client } from './client.js';

/**
 * Ruby's net/http, gem and bundler follow the proxy variables and `SSL_CERT_FILE` (bundler's own bundle variable is in
 * `bundleVariables`). Their caches lie in the session.
 */
export const ruby: Client = ({ inside }) => ({
  env: {
    GEM_SPEC_CACHE: inside('ruby/specs'),
    BUNDLE_USER_CACHE: inside('ruby/bundle-cache'),
    BUNDLE_DISABLE_VERSION_CHECK: 'true',
  },
});
