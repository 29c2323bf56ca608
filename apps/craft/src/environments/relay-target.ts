/** The session's proxy, and how its traffic is counted. */
export interface RelayTarget {
  readonly address: { readonly host: string; readonly port: number };
  /** Value of `Proxy-Authorization`. Secret. */
  readonly authorization: string;
  readonly count: (requests: number, bytes: number) => void;
}
