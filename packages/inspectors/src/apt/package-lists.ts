import { createHash } from 'node:crypto';
import type { Catalog, InspectionContext, VouchLink } from '@waybill/contracts';
import type { AptTarget, PoolPlace } from './apt-url.js';
import { decompressAny } from './bytes/decompress.js';
import { FormatProblem } from './format-problem.js';
import { type FetchedIndexes, sharedIndex } from './index-cache.js';
import { linkTo, releasesScope } from './index-check.js';
import type { PackageRecord, PackagesIndex } from './package-table.js';
import { maxPackagesBytes, parsePackages } from './packages-index.js';
import type { ReleaseEntry, ReleaseFile } from './release-file.js';

export type DebTarget = Extract<AptTarget, { kind: 'deb' }>;

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

/** Paragraphs of the session's own indexes, those of the newest index first, one per distinct digest. */
export async function listedPackages(
  target: DebTarget,
  context: InspectionContext,
): Promise<{ readonly listed: ListedPackage[]; readonly indexes: ReadonlySet<string> }> {
  const listed: ListedPackage[] = [];
  const indexes = new Set<string>();
  for (const place of target.places) {
    const trusted = await context.catalogs<PackagesIndex>(packagesScope(place.origin));
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
  target: DebTarget,
  context: InspectionContext,
  { known, fetched, fetch }: FurtherOptions,
): Promise<ListedPackage | undefined> {
  let fetches = 0;
  for (const place of target.places) {
    const releases = await context.catalogs<ReleaseFile>(releasesScope(place.origin));
    for (const release of releases.toReversed()) {
      for (const candidate of candidates(target, place, release, known)) {
        const { sha256 } = candidate.entry;
        let index = fetched.atHand(sha256);
        if (!index && fetch && fetches < maxFetches) {
          fetches += 1;
          index = await fetched.fetch(sha256, context, (own) => fetchIndex(candidate, own));
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
  target: DebTarget,
  place: PoolPlace,
  release: Catalog<ReleaseFile>,
  known: ReadonlySet<string>,
): Candidate[] {
  const { value, ref } = release;
  const suite = ref.attributes?.suite;
  if (suite === undefined || !place.repository.allowsSuite(suite)) return [];
  const found: Candidate[] = [];
  for (const component of componentsFor(place, value)) {
    for (const architecture of architecturesFor(target)) {
      const directory = `${component}/binary-${architecture}`;
      const variants = ['.xz', '.gz', '.zst', ''].flatMap(
        (suffix) => value.entries.get(`${directory}/Packages${suffix}`) ?? [],
      );
      const entry = variants.find(({ size }) => size <= maxFetchBytes);
      // An index that the session has, in whatever compression, was looked at before.
      if (!entry || variants.some(({ sha256 }) => known.has(sha256))) continue;
      const byHash = /^yes$/i.test(value.fields['acquire-by-hash'] ?? '');
      const path = byHash ? `${directory}/by-hash/SHA256/${entry.sha256}` : entry.path;
      found.push({ entry, component, release, url: new URL(`${place.base}/dists/${suite}/${path}`) });
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

/** Packages for all architectures are listed with those of the machine's, and sometimes in an index of their own. */
function architecturesFor({ named }: DebTarget): readonly string[] {
  const own = architectures[process.arch] ?? process.arch;
  if (!named) return [own];
  return named.architecture === 'all' ? [own, 'all'] : [named.architecture];
}

async function fetchIndex({ entry, url }: Candidate, context: InspectionContext): Promise<PackagesIndex | undefined> {
  const bytes = await context.companion(url, entry.size);
  if (!bytes || bytes.length !== entry.size || sha256(bytes) !== entry.sha256) return undefined;
  const { signal } = context;
  const chunks = decompressAny(inPieces(bytes), { maxBytes: maxPackagesBytes, signal });
  return sharedIndex(entry.sha256, () => parsePackages(chunks, signal)).catch((error: unknown) => {
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
