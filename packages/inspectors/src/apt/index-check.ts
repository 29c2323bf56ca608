import type {
  ArtifactInspection,
  ArtifactView,
  Catalog,
  InspectionContext,
  JsonObject,
  RequestInspection,
  RequestView,
  VouchedDigest,
  VouchLink,
} from '@waybill/contracts';
import { pending, rejected } from '../opinions.js';
import { type IndexPlace, type IndexTarget, parseAptUrl } from './apt-url.js';
import { familyOf, flatFamilyOf, type IndexFamily } from './index-path.js';
import { difference, type Reading, readingOf } from './readings.js';
import type { ReleaseEntry, ReleaseFile } from './release-file.js';
import type { Repository } from './repositories.js';

/** An entry of a trusted release that a request may mean. */
export interface ListedIndex {
  readonly place: IndexPlace;
  readonly release: Catalog<ReleaseFile>;
  readonly entry: ReleaseEntry;
}

export type IndexCheck = { readonly ok: true; readonly listed: ListedIndex; readonly reading: Reading } | IndexRefusal;

interface IndexRefusal {
  readonly ok: false;
  readonly reason: string;
  readonly annotations: JsonObject;
  /** A trusted release lists no such index. */
  readonly isUnlisted?: boolean;
}

/** Scope under which a suite's trusted releases are found. */
export function releaseScope(origin: string, suite: string): string {
  return `apt.release:${origin}:${suite}`;
}

/** Scope under which all trusted releases of a repository are found, whatever their suite. */
export function releasesScope(origin: string): string {
  return `apt.release:${origin}`;
}

/** Claims requests for one family of indexes, or for all. What may be of any family is claimed for the one asked about. */
export function claimIndex(
  request: RequestView,
  repositories: readonly Repository[],
  family?: IndexFamily,
): RequestInspection<IndexTarget> | undefined {
  const target = parseAptUrl(request, repositories);
  if (target?.kind !== 'index' || (family && target.family !== family && target.family !== 'any')) return undefined;
  const [place] = target.places;
  if (!place) return undefined;
  const expected: IndexTarget = target.family === 'any' && family ? { ...target, family, isOpen: true } : target;
  return pending(`${nouns[expected.family]} file of a configured repository`, expected, {
    ...describePlace(place),
    component: place.component,
    ...(target.architecture && { architecture: target.architecture }),
  });
}

/** Annotations of a request below `dists/`. */
export function describePlace(place: IndexPlace | Omit<IndexPlace, 'component'>): JsonObject {
  return { 'cfg-name': place.repository.name, origin: place.origin, repository: place.base, suite: place.suite };
}

const nouns: Readonly<Record<IndexFamily, string>> = {
  packages: 'Packages',
  translations: 'Translation',
  commands: 'Commands',
  sources: 'Sources',
  listed: 'Index',
  any: 'Index',
};

/** The entries a request may mean, newest release first. Every release that the session trusts counts. */
export async function listedIndexes(
  target: IndexTarget,
  context: InspectionContext,
): Promise<{ listed: ListedIndex[]; releases: Catalog<ReleaseFile>[] }> {
  const listed: ListedIndex[] = [];
  const releases: Catalog<ReleaseFile>[] = [];
  for (const place of target.places) {
    const trusted = await context.catalogs<ReleaseFile>(releaseScope(place.origin, place.suite));
    for (const release of trusted.toReversed()) {
      releases.push(release);
      for (const entry of entriesFor(target, place, release.value)) listed.push({ place, release, entry });
    }
  }
  return { listed, releases };
}

/** A by-hash entry must be of the directory and family that the URL names: a digest alone says nothing about its use. */
function entriesFor(target: IndexTarget, place: IndexPlace, release: ReleaseFile): readonly ReleaseEntry[] {
  const directory = [place.component, target.directory].filter(Boolean).join('/');
  if (target.byHash) {
    const familyOfEntry = (name: string) => (target.isFlat ? flatFamilyOf(name) : familyOf(target.directory, name));
    const found = release.byDigest.get(`${target.byHash.algorithm}:${target.byHash.hex}`) ?? [];
    return found.filter(({ path }) => {
      const slash = path.lastIndexOf('/');
      return (
        path.slice(0, Math.max(0, slash)) === directory &&
        (target.family === 'any' || familyOfEntry(path.slice(slash + 1)) === target.family)
      );
    });
  }
  const entry = release.entries.get([directory, target.fileName].filter(Boolean).join('/'));
  return entry ? [entry] : [];
}

/** Checks an index against the session's trusted releases. */
export async function checkIndex(
  target: IndexTarget,
  artifact: ArtifactView,
  context: InspectionContext,
): Promise<IndexCheck> {
  const noun = nouns[target.family];
  const { listed, releases } = await listedIndexes(target, context);
  const [newest] = releases;
  if (!newest) {
    const [place] = target.places;
    const where = place ? `suite ${place.suite} of ${place.base}` : 'its suite';
    return no(
      `no trusted InRelease or Release of ${where} in this session: the index was asked for before its release; run apt-get update in the same session`,
    );
  }
  const release = nameRelease(newest);
  const annotations = { 'release-file': newest.ref.sha256 };
  const [first] = listed;
  if (!first) {
    const [place] = target.places;
    const directory = [place?.component, target.directory].filter(Boolean).join('/') || '.';
    const { byHash } = target;
    const what = byHash
      ? `a file in ${directory} with ${byHash.algorithm} ${byHash.hex}`
      : `${directory}/${target.fileName}`;
    const reason = `${release} does not list ${what}: the mirror has another version than its release; run apt-get update again`;
    return { ok: false, reason, annotations, isUnlisted: true };
  }
  const found = await readingOf(
    artifact,
    listed.map(({ entry }) => entry),
  );
  const match = found && listed.find(({ entry }) => entry === found.match);
  if (found && match) return { ok: true, listed: match, reading: found.reading };
  const fault = await difference(`${noun} file`, artifact, nameRelease(first.release), first.entry);
  return no(`${fault}: the mirror is in the middle of an update or was tampered with; run apt-get update again`, {
    ...annotations,
    'file-path': first.entry.path,
    'expected-sha256': first.entry.sha256,
  });
}

/** The family of an entry, for requests that do not show it. */
export function familyOfListed(target: IndexTarget, { entry }: ListedIndex): IndexFamily | undefined {
  return target.family === 'any' ? flatFamilyOf(entry.path) : target.family;
}

/** What an inspector says of an index that is not what a release lists; nothing of one that may be another's. */
export function refuseIndex(target: IndexTarget, refusal: IndexRefusal): ArtifactInspection | undefined {
  if (target.isOpen && refusal.isUnlisted) return undefined;
  return rejected(refusal.reason, { annotations: refusal.annotations });
}

/** Digests of the entries that a request may mean. */
export async function vouchedIndexDigests(target: IndexTarget, context: InspectionContext): Promise<VouchedDigest[]> {
  const { listed } = await listedIndexes(target, context);
  return listed.map(({ entry, release }) => ({
    digests: [
      { algorithm: 'sha256', hex: entry.sha256 },
      ...(entry.sha512 ? [{ algorithm: 'sha512', hex: entry.sha512 } as const] : []),
    ],
    size: entry.size,
    vouchedBy: linkTo(release),
  }));
}

/** Annotations of an index that its release lists. */
export function describeListed({ entry, release }: ListedIndex): JsonObject {
  return { 'file-path': entry.path, 'release-file': release.ref.sha256, vendor: release.value.origin };
}

/** The link of a vouching chain to an index. */
export function linkTo({ ref }: Catalog): VouchLink {
  return { kind: 'artifact', sha256: ref.sha256, inspector: ref.inspector, name: ref.name };
}

function nameRelease({ ref, value }: Catalog<ReleaseFile>): string {
  return `the trusted ${ref.url.endsWith('/InRelease') ? 'InRelease' : 'Release'} of ${value.date.toISOString()}`;
}

function no(reason: string, annotations: JsonObject = {}): IndexRefusal {
  return { ok: false, reason, annotations };
}
