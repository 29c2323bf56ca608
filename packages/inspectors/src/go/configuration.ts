import type { InspectorsConfig } from '@waybill/contracts';
import { compileUrlGlob, normalizeUrl, type UrlGlob } from '@waybill/policy';
import { type LockedPackages, lockedPackages } from '../lock-files/lock-files.js';
import { globVariants } from '../url-globs.js';
import { type NoteVerifier, parseVerifier } from './signed-note.js';

/** A configured module proxy. */
export interface GoProxy {
  /** Path in the configuration: `go.proxies.<name>`. */
  readonly id: string;
  readonly host: string;
  /** With a closing slash. */
  readonly url: URL;
  /** Normalised `url`. */
  readonly base: string;
}

/** A configured checksum database. */
export interface GoDatabase {
  /** Path in the configuration: `go.sum-databases.<name>`. */
  readonly id: string;
  readonly verifier: NoteVerifier;
  /** As configured; names the log that this process knows. */
  readonly key: string;
  readonly url: URL;
  readonly base: string;
}

/** Section `go`, compiled. */
export interface GoSettings {
  /** Longest base first. */
  readonly proxies: readonly GoProxy[];
  readonly databases: readonly GoDatabase[];
  readonly imports: readonly UrlGlob[];
  /** Whether no database is expected to know the module. */
  isUnlisted(module: string): boolean;
  readonly locked: LockedPackages;
}

/**
 * @throws PolicyError POLICY_GLOB_INVALID
 * @throws SignedNoteError for a key whose hash does not fit
 */
export function goSettings(config: InspectorsConfig): GoSettings {
  const { proxies = {}, 'sum-databases': databases = {}, unlisted = [], imports = [] } = config.go ?? {};
  // `corp.example/*` of GONOSUMDB means what lies below as well.
  const hidden = unlisted.flatMap((pattern) => [pattern, `${pattern}/**`]).map(compileUrlGlob);
  return {
    proxies: Object.entries(proxies)
      .map(([name, { url }]): GoProxy => {
        const base = directory(url);
        return { id: `go.proxies.${name}`, host: base.host, url: base, base: normalizeUrl(base) };
      })
      .sort((a, b) => b.base.length - a.base.length),
    databases: Object.entries(databases).map(([name, { key, url }]): GoDatabase => {
      const verifier = parseVerifier(key);
      const base = directory(url ?? `https://${verifier.name}`);
      return { id: `go.sum-databases.${name}`, verifier, key, url: base, base: normalizeUrl(base) };
    }),
    imports: imports.flatMap(globVariants).map(compileUrlGlob),
    locked: lockedPackages(config),
    isUnlisted: (module) => hidden.some((glob) => glob.matches(module)),
  };
}

/** The proxy that a URL belongs to, and what follows its base. */
export function locateProxy(
  { proxies }: GoSettings,
  normalizedUrl: string,
): { readonly proxy: GoProxy; readonly path: string } | undefined {
  const proxy = proxies.find(({ base }) => normalizedUrl.startsWith(base));
  return proxy && { proxy, path: normalizedUrl.slice(proxy.base.length) };
}

/** A place where a checksum database answers: itself, or a proxy that hands it on. */
export interface DatabasePlace {
  readonly database: GoDatabase;
  /** With a closing slash. */
  readonly url: URL;
}

/** The database that a URL belongs to, and what follows its base. */
export function locateDatabase(
  { proxies, databases }: GoSettings,
  normalizedUrl: string,
): (DatabasePlace & { readonly path: string }) | undefined {
  for (const database of databases) {
    const places = [
      { base: database.base, url: database.url },
      ...proxies.map((proxy) => ({
        base: `${proxy.base}sumdb/${database.verifier.name}/`,
        url: new URL(`sumdb/${database.verifier.name}/`, proxy.url),
      })),
    ];
    const place = places.find(({ base }) => normalizedUrl.startsWith(base));
    if (place) return { database, url: place.url, path: normalizedUrl.slice(place.base.length) };
  }
  return undefined;
}

function directory(text: string): URL {
  const url = new URL(text);
  url.search = '';
  url.hash = '';
  if (!url.pathname.endsWith('/')) url.pathname += '/';
  return url;
}
