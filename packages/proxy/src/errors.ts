import { WaybillError } from '@waybill/contracts';

/** Codes of {@link ProxyError}. */
export type ProxyErrorCode =
  | 'PROXY_LISTEN_FAILED'
  | 'PROXY_CLOSED'
  | 'PROXY_OPTIONS_INVALID'
  | 'PROXY_AUTHORITY_INVALID'
  | 'PROXY_EGRESS_REFUSED'
  | 'PROXY_UPSTREAM_UNRESOLVED'
  | 'PROXY_UPSTREAM_UNREACHABLE'
  | 'PROXY_UPSTREAM_CERTIFICATE'
  | 'PROXY_UPSTREAM_TLS'
  | 'PROXY_UPSTREAM_TIMEOUT'
  | 'PROXY_UPSTREAM_TRUNCATED'
  | 'PROXY_UPSTREAM_PROTOCOL'
  | 'PROXY_UPSTREAM_PROXY'
  | 'PROXY_RECORD_FAILED'
  | 'PROXY_RECORD_QUEUE_FULL'
  | 'PROXY_CODING_UNSUPPORTED'
  | 'PROXY_CODING_INVALID'
  | 'PROXY_EXPANSION_LIMIT'
  | 'PROXY_COMPANION_REFUSED';

/** What keeps the proxy, or one exchange of it, from going on. */
export class ProxyError extends WaybillError<ProxyErrorCode> {}
