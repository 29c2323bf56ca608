import type { SecureContext } from 'node:tls';

/** Gives the proxy a TLS context with a leaf for a host. */
export interface LeafIssuer {
  /**
   * A cached context whose certificate names `host` (DNS name or IP address without brackets).
   * @throws WaybillError CA_HOST_INVALID
   */
  contextFor(host: string): Promise<SecureContext>;
}
