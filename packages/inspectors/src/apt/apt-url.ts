import { type Digest, isHexDigest, type RequestView } from '@waybill/contracts';
import type { Repository } from './repositories.js';
import { isSafePath } from './safe-path.js';

/** One reading of a URL: which repository, and where in it. */
export interface Place {
  readonly repository: Repository;
  /** Base URL, normalised, without a slash at the end. */
  readonly base: string;
  readonly origin: string;
}

/** A place below `dists/<suite>`. */
export interface SuitePlace extends Place {
  readonly suite: string;
}

/** A place below `dists/<suite>/<component>`. */
export interface IndexPlace extends SuitePlace {
  readonly component: string;
}

/** A place that may hold packages. */
export interface PoolPlace extends Place {
  /** Decoded path below the base, as `Filename` fields spell it. */
  readonly path: string;
}

export type ReleaseFileName = 'InRelease' | 'Release' | 'Release.gpg';
export type IndexFamily = 'packages' | 'translations' | 'commands';

/**
 * What a URL of a configured repository asks for. Several places when the URL can be read in several ways (a suite or
 * component with a slash, several configured repositories): whichever the session trusts an index of decides.
 */
export type AptTarget =
  | { readonly kind: 'release'; readonly file: ReleaseFileName; readonly places: readonly SuitePlace[] }
  | IndexTarget
  | { readonly kind: 'deb'; readonly places: readonly PoolPlace[]; readonly named: DebName | undefined }
  | { readonly kind: 'refused'; readonly places: readonly Place[]; readonly reason: string };

export interface IndexTarget {
  readonly kind: 'index';
  readonly family: IndexFamily;
  readonly places: readonly IndexPlace[];
  /** Below the component, e.g. `binary-amd64`. */
  readonly directory: string;
  /** Set for requests by name, e.g. `Packages.xz`. */
  readonly fileName?: string | undefined;
  /** Set for by-hash requests. */
  readonly byHash?: Digest | undefined;
  /** For Packages: out of the URL. */
  readonly architecture?: string | undefined;
}

/** What the name of a .deb says; the epoch of the version is not in it. */
export interface DebName {
  readonly name: string;
  readonly version: string;
  readonly architecture: string;
}

/** Readings of one URL that are looked at. */
const maxPlaces = 16;
/** Each segment may end a base URL, so their number bounds the work. */
const maxSegments = 64;

/** Undefined: not below a configured repository, or nothing of apt's. No I/O, no state. */
export function parseAptUrl(request: RequestView, repositories: readonly Repository[]): AptTarget | undefined {
  if (repositories.length === 0 || request.url.search !== '') return undefined;
  if (request.method !== 'GET' && request.method !== 'HEAD') return undefined;
  const url = request.normalizedUrl;
  const segments = decodeSegments(request.url.pathname);
  if (!segments) return undefined;
  const root = url.slice(0, url.length - request.url.pathname.length);
  const raw = request.url.pathname.split('/').slice(1);
  const view: UrlView = { url, segments, baseAt: (count) => [root, ...raw.slice(0, count)].join('/'), repositories };
  if (/\.[ud]?deb$/.test(segments.at(-1) ?? '')) return parseDeb(view);
  return parseDists(view);
}

interface UrlView {
  readonly url: string;
  /** Decoded path segments. */
  readonly segments: readonly string[];
  /** Base URL made of the first `count` segments. */
  baseAt(count: number): string;
  readonly repositories: readonly Repository[];
}

/** Percent-decoded segments; undefined when one hides a slash, a control character or is no UTF-8. */
function decodeSegments(pathname: string): string[] | undefined {
  try {
    const segments = pathname.split('/').slice(1).map(decodeURIComponent);
    if (segments.length > maxSegments) return undefined;
    return isSafePath(segments.join('/')) && segments.every((segment) => !segment.includes('/')) ? segments : undefined;
  } catch {
    return undefined;
  }
}

function parseDeb(view: UrlView): AptTarget | undefined {
  const { segments, repositories, url } = view;
  const places: PoolPlace[] = [];
  for (const count of baseLengths(segments)) {
    const base = view.baseAt(count);
    for (const repository of repositories) {
      if (!repository.allowsBase(base, url)) continue;
      const place = { repository, base, origin: repository.originOf(base), path: segments.slice(count).join('/') };
      if (!places.some((known) => known.origin === place.origin && known.path === place.path)) places.push(place);
      if (places.length === maxPlaces) return { kind: 'deb', places, named: parseDebName(segments.at(-1) ?? '') };
    }
  }
  return places.length > 0 ? { kind: 'deb', places, named: parseDebName(segments.at(-1) ?? '') } : undefined;
}

/**
 * How many leading segments can be the base of a package's URL: usually those before `pool` or `dists`; else any, because
 * `Filename` may hold any path.
 */
function baseLengths(segments: readonly string[]): number[] {
  const all = Array.from({ length: segments.length }, (_, count) => count);
  const likely = all.filter((count) => segments[count] === 'pool' || segments[count] === 'dists');
  return [...likely, ...all.filter((count) => !likely.includes(count))];
}

/** `<name>_<version>_<architecture>.deb`. specs/fetch-service.md §5.2 */
export function parseDebName(file: string): DebName | undefined {
  const match = /^([^_]+)_([^_]+)_([^_.]+)\.[ud]?deb$/.exec(file);
  return match ? { name: match[1] ?? '', version: match[2] ?? '', architecture: match[3] ?? '' } : undefined;
}

function parseDists(view: UrlView): AptTarget | undefined {
  const { segments } = view;
  const refused: Place[] = [];
  for (let count = 0; count < segments.length - 1; count += 1) {
    if (segments[count] !== 'dists') continue;
    const bases = placesAt(view, count);
    if (bases.length === 0) continue;
    const rest = segments.slice(count + 1);
    const target = parseReleaseFile(rest, bases) ?? parseIndex(rest, bases);
    if (target && target.places.length > 0) return target;
    refused.push(...bases);
  }
  if (refused.length === 0) return undefined;
  return { kind: 'refused', places: refused.slice(0, 1), reason: whyRefused(view) };
}

function placesAt({ baseAt, repositories, url }: UrlView, count: number): Place[] {
  const base = baseAt(count);
  return repositories
    .filter((repository) => repository.allowsBase(base, url))
    .map((repository) => ({ repository, base, origin: repository.originOf(base) }));
}

function parseReleaseFile(rest: readonly string[], bases: readonly Place[]): AptTarget | undefined {
  const file = rest.at(-1);
  if (file !== 'InRelease' && file !== 'Release' && file !== 'Release.gpg') return undefined;
  const suite = rest.slice(0, -1).join('/');
  const places = bases
    .filter(({ repository }) => suite !== '' && repository.allowsSuite(suite))
    .map((base) => ({ ...base, suite }));
  return { kind: 'release', file, places: places.slice(0, maxPlaces) };
}

function parseIndex(rest: readonly string[], bases: readonly Place[]): IndexTarget | undefined {
  const hash = parseByHash(rest);
  const [directory, fileName] = hash ? [rest.at(-4), undefined] : [rest.at(-2), rest.at(-1)];
  const family = directory === undefined ? undefined : familyOf(directory, fileName);
  if (!family || directory === undefined) return undefined;
  const before = rest.slice(0, hash ? -4 : -2);
  const places: IndexPlace[] = [];
  for (let cut = 1; cut < before.length; cut += 1) {
    const suite = before.slice(0, cut).join('/');
    const component = before.slice(cut).join('/');
    for (const base of bases) {
      if (!base.repository.allowsSuite(suite) || !base.repository.allowsComponent(component)) continue;
      if (places.length < maxPlaces) places.push({ ...base, suite, component });
    }
  }
  const architecture = family === 'packages' ? directory.slice('binary-'.length) : undefined;
  return { kind: 'index', family, places, directory, fileName, byHash: hash, architecture };
}

/** `…/by-hash/SHA256/<hex>`; weak algorithms are no index request. */
function parseByHash(rest: readonly string[]): Digest | undefined {
  const [byHash, name, hex = ''] = rest.slice(-3);
  const algorithm = name === 'SHA256' ? 'sha256' : name === 'SHA512' ? 'sha512' : undefined;
  return byHash === 'by-hash' && algorithm && isHexDigest(algorithm, hex) ? { algorithm, hex } : undefined;
}

const suffix = '(\\.(xz|gz|zst|bz2|lzma|lz4))?$';
const families: readonly (readonly [IndexFamily, directory: RegExp, file: RegExp])[] = [
  ['packages', /^binary-[a-z0-9-]+$/, new RegExp(`^Packages${suffix}`)],
  ['translations', /^i18n$/, new RegExp(`^Translation-[A-Za-z0-9_@.-]+?${suffix}`)],
  ['commands', /^cnf$/, new RegExp(`^Commands-[a-z0-9-]+${suffix}`)],
];

/** @param fileName undefined for by-hash requests, which do not show it */
export function familyOf(directory: string, fileName: string | undefined): IndexFamily | undefined {
  return families.find(([, dir, file]) => dir.test(directory) && (fileName === undefined || file.test(fileName)))?.[0];
}

function whyRefused({ segments }: UrlView): string {
  const path = segments.join('/');
  if (/\.diff\//.test(path)) {
    return 'package index differences (pdiff) are not verified; apt falls back to the whole index';
  }
  if (/\/by-hash\/(MD5Sum|SHA1)\//i.test(path))
    return 'by-hash with MD5 or SHA1 proves nothing; expected SHA256 or SHA512';
  const kind = /\/(dep11|source|Contents)[-/.]?/.exec(path)?.[1];
  const kinds: Readonly<Record<string, string>> = {
    dep11: 'AppStream (dep11) indexes are not verified; apt does without them',
    source: 'source indexes are not verified; remove deb-src from the sources',
    Contents: 'Contents indexes are not verified; apt does without them',
  };
  if (kind) return kinds[kind] as string;
  if (/(^|\/)(InRelease|Release|Release\.gpg)$/.test(path)) return 'the suite is not among the configured `suites`';
  return 'not an apt index that is verified, or its suite or component is not among the configured ones';
}
