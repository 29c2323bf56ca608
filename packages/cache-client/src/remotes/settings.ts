import { withoutTrailingSlashes } from '@waybill/contracts';

/** A name space of a server. */
export interface RemoteEndpoint {
  /** `https:`, `http:` or `ssh:`; its path, if any, stands before the server's own paths. */
  readonly url: URL;
  readonly namespace: string;
}

/** One remote, as the configuration resolves to it. At least one of the two is there. */
export interface RemoteSettings {
  /** Where is read, https or http. Undefined: the receiver behind `push` says. */
  readonly pull?: RemoteEndpoint | undefined;
  /** Where is written: https, http or ssh. Undefined: read only. */
  readonly push?: RemoteEndpoint | undefined;
  readonly auth: RemoteAuth;
}

/** Files that hold what a remote asks for; absolute paths. */
export interface RemoteAuth {
  /** Bearer token, read again when the file changes. */
  readonly accessToken?: string | undefined;
  /** Certificates to trust instead of the system's, PEM. */
  readonly serverCert?: string | undefined;
  readonly clientCert?: string | undefined;
  readonly clientKey?: string | undefined;
}

/** How people speak of a remote: never with credentials. */
export function remoteName({ pull, push }: RemoteSettings): string {
  const endpoint = pull ?? push;
  if (!endpoint) return '(no remote)';
  const { url, namespace } = endpoint;
  const path = withoutTrailingSlashes(url.pathname);
  return `${url.protocol}//${url.host}${path}/${namespace}`;
}
