import type { Digest, RequestView } from '@waybill/contracts';
import { type IndexFamily, readFlatPath, readIndexPath, suitesAndComponents } from './index-path.js';
import { flatSegments, type Repository } from './repositories.js';
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

/** A place below `dists/<suite>/<component>`; an empty component is the suite itself. */
export interface IndexPlace extends SuitePlace {
  readonly component: string;
}

/** A place that may hold packages. */
export interface PoolPlace extends Place {
  /** Decoded path below the base, as `Filename` fields spell it. */
  readonly path: string;
}

export type ReleaseFileName = 'InRelease' | 'Release' | 'Release.gpg';

/**
 * What a URL of a configured repository asks for. Several places when the URL can be read in several ways (a suite or
 * component with a slash, several configured repositories): whichever the session trusts an index of decides.
 */
export type AptTarget =
  | { readonly kind: 'release'; readonly file: ReleaseFileName; readonly places: readonly SuitePlace[] }
  | IndexTarget
  | { readonly kind: 'deb'; readonly places: readonly PoolPlace[]; readonly named: DebName | undefined }
  | { readonly kind: 'source'; readonly places: readonly PoolPlace[]; readonly named: undefined }
  | { readonly kind: 'refused'; readonly places: readonly Place[]; readonly reason: string };

export interface IndexTarget {
  readonly kind: 'index';
  readonly family: IndexFamily;
  readonly places: readonly IndexPlace[];
  /** Below the component, e.g. `binary-amd64`; empty for indexes of the component itself. */
  readonly directory: string;
  /** Set for requests by name, e.g. `Packages.xz`. */
  readonly fileName?: string | undefined;
  /** Set for by-hash requests. */
  readonly byHash?: Digest | undefined;
  /** For Packages: out of the URL. */
  readonly architecture?: string | undefined;
  /** In the directory of a flat repository's release. */
  readonly isFlat?: boolean | undefined;
  /** The URL does not show the family: another inspector may be meant. */
  readonly isOpen?: boolean | undefined;
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
  const file = segments.at(-1) ?? '';
  if (/\.[ud]?deb$/.test(file)) return parsePool(view, 'deb');
  return parseDists(view) ?? parseFlat(view) ?? (isSourceFile(file) ? parsePool(view, 'source') : undefined);
}

/** Names of what a .dsc lists, and of itself: `<name>_<version>…`. dsc(5), dpkg-source(1) */
export function isSourceFile(file: string): boolean {
  return (
    file.length <= 512 && /^[a-z0-9][a-z0-9+.-]*_[^_]+\.(dsc|diff\.gz|tar\.(gz|xz|bz2|lzma|zst)(\.asc)?)$/.test(file)
  );
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

function parsePool(view: UrlView, kind: 'deb' | 'source'): AptTarget | undefined {
  const { segments, repositories, url } = view;
  const target = (): AptTarget =>
    kind === 'deb' ? { kind, places, named: parseDebName(segments.at(-1) ?? '') } : { kind, places, named: undefined };
  const places: PoolPlace[] = [];
  for (const count of baseLengths(segments)) {
    const base = view.baseAt(count);
    for (const repository of repositories) {
      if (!repository.allowsBase(base, url)) continue;
      const place = { repository, base, origin: repository.originOf(base), path: segments.slice(count).join('/') };
      if (!places.some((known) => known.origin === place.origin && known.path === place.path)) places.push(place);
      if (places.length === maxPlaces) return target();
    }
  }
  return places.length > 0 ? target() : undefined;
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

/** Release and indexes of a flat repository lie in one directory; which ones are flat, the configuration says. */
function parseFlat(view: UrlView): AptTarget | undefined {
  const { segments, repositories, url } = view;
  const found: { readonly place: SuitePlace; readonly rest: readonly string[] }[] = [];
  for (const repository of repositories) {
    for (const suite of repository.flatSuites) {
      const directory = flatSegments(suite);
      for (const below of [1, 2, 3]) {
        const count = segments.length - below - directory.length;
        const isThere = count >= 0 && directory.every((segment, index) => segments[count + index] === segment);
        if (!isThere) continue;
        const base = view.baseAt(count);
        const place = { repository, base, origin: repository.originOf(base), suite };
        if (repository.allowsBase(base, url)) found.push({ place, rest: segments.slice(-below) });
      }
    }
  }
  const [file = ''] = segments.slice(-1);
  if (isReleaseFile(file)) {
    const places = found.filter(({ rest }) => rest.length === 1).map(({ place }) => place);
    return places.length > 0 ? { kind: 'release', file, places: places.slice(0, maxPlaces) } : undefined;
  }
  for (const { rest } of found) {
    const path = readFlatPath(rest);
    if (!path) continue;
    const places = found
      .filter((one) => one.rest.length === rest.length)
      .map(({ place }) => ({ ...place, component: '' }));
    return { kind: 'index', ...path, places: places.slice(0, maxPlaces), directory: '', isFlat: true };
  }
  const [first] = found;
  if (!first || !/\.diff\//.test(segments.join('/'))) return undefined;
  return { kind: 'refused', places: [first.place], reason: whyRefused(view) };
}

function isReleaseFile(file: string): file is ReleaseFileName {
  return file === 'InRelease' || file === 'Release' || file === 'Release.gpg';
}

function placesAt({ baseAt, repositories, url }: UrlView, count: number): Place[] {
  const base = baseAt(count);
  return repositories
    .filter((repository) => repository.allowsBase(base, url))
    .map((repository) => ({ repository, base, origin: repository.originOf(base) }));
}

function parseReleaseFile(rest: readonly string[], bases: readonly Place[]): AptTarget | undefined {
  const file = rest.at(-1) ?? '';
  if (!isReleaseFile(file)) return undefined;
  const suite = rest.slice(0, -1).join('/');
  const places = bases
    .filter(({ repository }) => suite !== '' && repository.allowsSuite(suite))
    .map((base) => ({ ...base, suite }));
  return { kind: 'release', file, places: places.slice(0, maxPlaces) };
}

function parseIndex(rest: readonly string[], bases: readonly Place[]): IndexTarget | undefined {
  const path = readIndexPath(rest);
  if (!path) return undefined;
  const { family, directory, fileName, byHash } = path;
  const places = suitesAndComponents(path).flatMap(({ suite, component }) =>
    bases
      .filter(({ repository }) => repository.allowsSuite(suite))
      .filter(({ repository }) => component === '' || repository.allowsComponent(component))
      .map((base) => ({ ...base, suite, component })),
  );
  const architecture = family === 'packages' ? directory.slice('binary-'.length) : undefined;
  return { kind: 'index', family, places: places.slice(0, maxPlaces), directory, fileName, byHash, architecture };
}

function whyRefused({ segments }: UrlView): string {
  const path = segments.join('/');
  if (/\.diff\//.test(path)) {
    return 'package index differences (pdiff) are not verified; apt falls back to the whole index';
  }
  if (/\/by-hash\/(MD5Sum|SHA1)\//i.test(path)) {
    return 'by-hash with MD5 or SHA1 proves nothing; expected SHA256 or SHA512';
  }
  if (/(^|\/)(InRelease|Release|Release\.gpg)$/.test(path)) return 'the suite is not among the configured `suites`';
  return 'not an apt index that is verified, or its suite or component is not among the configured ones';
}
