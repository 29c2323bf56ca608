/** The session's proxy as clients are told about it. */
export interface ProxyAddress {
  /** `http://[user:password@]host:port`, no trailing slash. */
  readonly url: string;
  /** Without brackets. */
  readonly host: string;
  readonly port: number;
  /** Decoded; undefined when a relay adds the credentials. */
  readonly user?: string | undefined;
  readonly password?: string | undefined;
}

/** What a client's setup is made from. */
export interface ClientContext {
  readonly proxy: ProxyAddress;
  /** PEM file with the system's roots and the session's CA, as seen by the build. */
  readonly bundle: string;
  /** PEM file with what Node lacks beside its built-in roots, as seen by the build. */
  readonly extraRoots: string;
  /** All roots of the bundle, DER. */
  readonly rootsDer: readonly Buffer[];
  /** The session's CA alone, DER. */
  readonly ca: readonly Buffer[];
  /** Variables of the host; read for what is carried over, never copied whole. */
  readonly hostEnv: Readonly<NodeJS.ProcessEnv>;
  /** Path in the setup's folder, as seen by the build. */
  inside(name: string): string;
  /** Reads a file of the host; undefined when it is not there or not readable. At most 1 MiB. */
  readHostFile(path: string): Promise<string | undefined>;
}

/** A file that a client needs. */
export interface ClientFile {
  /** Relative to the setup's folder. */
  readonly name: string;
  readonly content: string | Uint8Array;
  readonly description: string;
  /** Whether it holds the proxy's credentials: mode 0600 instead of 0644. */
  readonly isSecret?: boolean | undefined;
}

/** What one client needs. */
export interface ClientPart {
  readonly env?: Readonly<Record<string, string>> | undefined;
  readonly files?: readonly ClientFile[] | undefined;
}

/** One client, one file: makes it use the proxy, trust the CA beside the system's roots, and download into the session only. */
export type Client = (context: ClientContext) => ClientPart | Promise<ClientPart>;
