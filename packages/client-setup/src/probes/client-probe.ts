/** Where a client is tried. */
export interface ProbePlace {
  /** Exists behind the proxy only, and answers with the probe's pages. */
  readonly host: string;
  /** Current folder of the run; holds the probe's files. */
  readonly dir: string;
  /** Folder of the client setup. */
  readonly clients: string;
}

/** A real client's smallest way to fetch something over the proxy. */
export interface ClientProbe {
  readonly name: string;
  /** Prints a version and succeeds where the client is installed. */
  readonly version: readonly [string, ...string[]];
  /** A host that the client must be able to resolve; any other name does for the rest. */
  readonly host?: string;
  /** Asks over plain http, and so does not show whether the CA is trusted. */
  readonly isPlain?: boolean;
  readonly command: (place: ProbePlace) => [string, ...string[]];
  /** Files to lie in the current folder before, by name. */
  readonly files?: (host: string) => Readonly<Record<string, string>>;
  /** What the host answers, by path without query. Everything else is 404. */
  readonly pages: (host: string) => Readonly<Record<string, string>>;
  /** The request that must arrive, as `GET https://host/path`; a query counts only when it stands here. */
  readonly request: (host: string) => string;
  /** What the client prints when it worked. */
  readonly output: RegExp;
  /** Whether it can use a proxy that wants credentials by itself; the others need a relay that adds them. */
  readonly takesCredentials: boolean;
  /** What a version has to have that works; shown where one does not. */
  readonly needs?: string;
}

/** A page that every probe which just gets something asks for. */
export const hello = 'hello from the session';

/** What probes have in common that fetch `https://host/`. */
export const plainGet = {
  pages: () => ({ '/': hello }),
  request: (host: string) => `GET https://${host}/`,
  output: /hello from the session/,
  takesCredentials: true,
} as const;
