import { createHash } from 'node:crypto';
import type { Catalog, InspectionContext, VouchLink } from '@waybill/contracts';
import type { AptTarget, PoolPlace } from './apt-url.js';
import type { FetchedIndexes } from './fetched-indexes.js';
import { FormatProblem } from './format-problem.js';
import { linkTo, releasesScope } from './index-check.js';
import type { PackageRecord } from './package-columns.js';
import { packagesDerivation, readPackages } from './packages-derivation.js';
import type { PackagesIndex } from './packed-table.js';
import type { ReleaseEntry, ReleaseFile } from './release-file.js';
import { flatSegments, isFlatSuite } from './repositories.js';
import { readSources, sourcesDerivation } from './sources-index.js';

export type DebTarget = Extract<AptTarget, { kind: 'deb' }>;
export type SourceTarget = Extract<AptTarget, { kind: 'source' }>;
/** A file of the pool: a package, or a part of a source package. */
export type PoolTarget = DebTarget | SourceTarget;

/** A paragraph of a Packages index that lists a package's path, and who stands for it. */
export interface ListedPackage {
  readonly record: PackageRecord;
  readonly link: VouchLink;
  /** sha256 of the Packages file. */
  readonly file: string;
  readonly suite: string;
  readonly codename: string;
  /** `Origin` of the release. */
  readonly vendor: string;
  readonly component: string;
  /** Where the index was fetched from for this package, when the session had not. */
  readonly fetchedFrom?: string | undefined;
}

/** Fetches for one package; the proxy allows no more than eight companions. */
const maxFetches = 3;
const maxFetchBytes = 128 * 2 ** 20;
const architectures: Readonly<Record<string, string>> = { x64: 'amd64', ia32: 'i386', arm: 'armhf', ppc64: 'ppc64el' };

/** Scope under which a repository's trusted Packages indexes are found. */
export function packagesScope(origin: string): string {
  return `apt.packages:${origin}`;
}

/** Scope under which a repository's trusted Sources indexes are found. */
export function sourcesScope(origin: string): string {
  return `apt.sources:${origin}`;
}

/** The indexes that list files of the pool: their scope, their name, their parser. */
const lists = {
  deb: { scope: packagesScope, file: 'Packages', derivation: packagesDerivation, read: readPackages },
  source: { scope: sourcesScope, file: 'Sources', derivation: sourcesDerivation, read: readSources },
} as const;

/** Paragraphs of the session's own indexes, those of the newest index first, one per distinct digest. */
export async function listedPackages(
  target: PoolTarget,
  context: InspectionContext,
): Promise<{ readonly listed: ListedPackage[]; readonly indexes: ReadonlySet<string> }> {
  const listed: ListedPackage[] = [];
  const indexes = new Set<string>();
  for (const place of target.places) {
    const trusted = await context.catalogs<PackagesIndex>(lists[target.kind].scope(place.origin));
    for (const index of trusted.toReversed()) {
      const { sha256, attributes = {} } = index.ref;
      indexes.add(sha256);
      const record = index.value.find(place.path);
      if (!record || listed.some((known) => known.record.sha256 === record.sha256)) continue;
      const { suite = '', codename = '', vendor = '', component = '' } = attributes;
      listed.push({ record, link: linkTo(index), file: sha256, suite, codename, vendor, component });
    }
  }
  return { listed, indexes };
}

export interface FurtherOptions {
  /** Digests of indexes that the session has. */
  readonly known: ReadonlySet<string>;
  readonly fetched: FetchedIndexes;
  /** False: only what is at hand, without a request. */
  readonly fetch: boolean;
}

/**
 * The paragraph of an index that a trusted release lists but the client did not fetch: apt asks for no index that it still has
 * from before, and then only the release passes through the session. The release vouches for the index's digest, whoever
 * brings the bytes.
 */
export async function furtherPackage(
  target: PoolTarget,
  context: InspectionContext,
  { known, fetched, fetch }: FurtherOptions,
): Promise<ListedPackage | undefined> {
  let fetches = 0;
  for (const place of target.places) {
    const releases = await context.catalogs<ReleaseFile>(releasesScope(place.origin));
    for (const release of releases.toReversed()) {
      for (const candidate of candidates(target, place, release, known)) {
        const { sha256 } = candidate.entry;
        let index = await fetched.atHand(sha256, context);
        if (!index && fetch && fetches < maxFetches) {
          fetches += 1;
          index = await fetched.fetch(sha256, context, (own) => fetchIndex(candidate, target, own));
        }
        const record = index?.find(place.path);
        if (record) return describe(candidate, record);
      }
    }
  }
  return undefined;
}

interface Candidate {
  readonly entry: ReleaseEntry;
  readonly component: string;
  readonly release: Catalog<ReleaseFile>;
  readonly url: URL;
}

/** One variant of each index that may list the package, likely ones first. */
function candidates(
  target: PoolTarget,
  place: PoolPlace,
  release: Catalog<ReleaseFile>,
  known: ReadonlySet<string>,
): Candidate[] {
  const { value, ref } = release;
  const suite = ref.attributes?.suite;
  if (suite === undefined || !place.repository.allowsSuite(suite)) return [];
  const found: Candidate[] = [];
  const isFlat = isFlatSuite(suite);
  for (const component of isFlat ? [''] : componentsFor(place, value)) {
    for (const directory of isFlat ? [''] : directoriesFor(target, component)) {
      const below = directory === '' ? '' : `${directory}/`;
      const variants = ['.xz', '.gz', '.zst', '.bz2', ''].flatMap(
        (suffix) => value.entries.get(`${below}${lists[target.kind].file}${suffix}`) ?? [],
      );
      const entry = variants.find(({ size }) => size <= maxFetchBytes);
      // An index that the session has, in whatever compression, was looked at before.
      if (!entry || variants.some(({ sha256 }) => known.has(sha256))) continue;
      const byHash = /^yes$/i.test(value.fields['acquire-by-hash'] ?? '');
      const path = byHash ? `${below}by-hash/SHA256/${entry.sha256}` : entry.path;
      const top = isFlat
        ? flatSegments(suite)
            .map((segment) => `${segment}/`)
            .join('')
        : `dists/${suite}/`;
      found.push({ entry, component, release, url: new URL(`${place.base}/${top}${path}`) });
    }
  }
  return found;
}

/** `pool/<component>/…` names it; elsewhere all that are configured may be meant. */
function componentsFor({ path, repository }: PoolPlace, release: ReleaseFile): readonly string[] {
  const allowed = release.components.filter((component) => repository.allowsComponent(component));
  const named = /^pool\/([^/]+)\//.exec(path)?.[1];
  const likely = allowed.filter((component) => component === named || component.endsWith(`/${named}`));
  return likely.length > 0 ? likely : allowed;
}

function directoriesFor(target: PoolTarget, component: string): readonly string[] {
  if (target.kind === 'source') return [`${component}/source`];
  return architecturesFor(target).map((architecture) => `${component}/binary-${architecture}`);
}

/** Packages for all architectures are listed with those of the machine's, and sometimes in an index of their own. */
function architecturesFor({ named }: DebTarget): readonly string[] {
  const own = architectures[process.arch] ?? process.arch;
  if (!named) return [own];
  return named.architecture === 'all' ? [own, 'all'] : [named.architecture];
}

async function fetchIndex(
  { entry, url }: Candidate,
  { kind }: PoolTarget,
  context: InspectionContext,
): Promise<PackagesIndex | undefined> {
  const bytes = await context.companion(url, entry.size);
  if (!bytes || bytes.length !== entry.size || sha256(bytes) !== entry.sha256) return undefined;
  const { derivation, read } = lists[kind];
  const make = () => read(inPieces(bytes), context.signal);
  return context.derived(derivation, entry.sha256, make).catch((error: unknown) => {
    // An index that cannot be read lists nothing; asked for by a client it would be rejected.
    if (error instanceof FormatProblem) return undefined;
    throw error;
  });
}

function describe({ entry, component, release, url }: Candidate, record: PackageRecord): ListedPackage {
  const { suite, codename, origin } = release.value;
  const names = { suite, codename, vendor: origin, component };
  return { record, link: linkTo(release), file: entry.sha256, ...names, fetchedFrom: url.href };
}

async function* inPieces(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < bytes.length; at += 65_536) yield bytes.subarray(at, at + 65_536);
}

function sha256(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex');
}
