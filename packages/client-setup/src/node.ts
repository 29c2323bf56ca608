import type { Client } from './client.js';

/**
 * Node has roots of its own and adds a file to them. Its http, https and fetch follow the proxy variables when told to (Node
 * 22.21 and 24.5 onwards; older ones connect directly, which a sandbox stops).
 */
export const node: Client = ({ extraRoots }) => ({ env: { NODE_EXTRA_CA_CERTS: extraRoots, NODE_USE_ENV_PROXY: '1' } });
