import type { ArtifactView, InspectionContext, JsonObject, RequestInspection, VouchedDigest } from '@waybill/contracts';
import { pending } from '../opinions.js';
import type { AptTarget } from './apt-url.js';
import type { FetchedIndexes } from './fetched-indexes.js';
import {
  type DebTarget,
  furtherPackage,
  type ListedPackage,
  listedPackages,
  type PoolTarget,
} from './package-lists.js';
import { difference, type Reading, readingOf } from './readings.js';

export type DebCheck =
  | { readonly ok: true; readonly listed: ListedPackage; readonly reading: Reading }
  | { readonly ok: false; readonly reason: string; readonly annotations: JsonObject };

/** Claims a package of a configured repository: for `apt.packages`, which knows its digest, and `deb`, which reads it. */
export function claimDeb(target: AptTarget | undefined): RequestInspection<DebTarget> | undefined {
  const [place] = target?.kind === 'deb' ? target.places : [];
  if (target?.kind !== 'deb' || !place) return undefined;
  return pending('package of a configured repository', target, {
    'cfg-name': place.repository.name,
    origin: place.origin,
    repository: place.base,
    ...target.named,
  });
}

const nouns = { deb: ['package', 'Packages'], source: ['source file', 'Sources'] } as const;

/** Checks a package's or source file's bytes against the indexes that the session trusts, or that its releases list. */
export async function checkDeb(
  target: PoolTarget,
  artifact: ArtifactView,
  context: InspectionContext,
  fetched: FetchedIndexes,
): Promise<DebCheck> {
  const { listed, indexes } = await listersOf(target, context, { fetched, fetch: true });
  const [first] = listed;
  if (!first) return no(whyUnlisted(target, indexes));
  const found = await readingOf(
    artifact,
    listed.map(({ record }) => record),
  );
  const match = found && listed.find(({ record }) => record === found.match);
  if (found && match) return { ok: true, listed: match, reading: found.reading };
  const [noun, index] = nouns[target.kind];
  const fault = await difference(first.record.path, artifact, `the trusted ${index} index`, first.record);
  return no(
    `${fault}: the mirror is in the middle of an update or the ${noun} was tampered with; run apt-get update again`,
    { ...describePackage(first, false), 'expected-sha256': first.record.sha256 },
  );
}

/** Digests under which the session's Packages indexes list a path. */
export async function vouchedDebDigests(
  target: PoolTarget,
  context: InspectionContext,
  fetched: FetchedIndexes,
): Promise<VouchedDigest[]> {
  const { listed } = await listersOf(target, context, { fetched, fetch: context.mayFetch === true });
  return listed.map(({ record, link }) => ({
    digests: [
      { algorithm: 'sha256', hex: record.sha256 },
      ...(record.sha512 ? [{ algorithm: 'sha512', hex: record.sha512 } as const] : []),
    ],
    size: record.size,
    vouchedBy: link,
  }));
}

/** Annotations of a package. specs/fetch-service.md §5.2 */
export function describePackage(listed: ListedPackage, isValid: boolean): JsonObject {
  const { record } = listed;
  return {
    'packages-name': record.name,
    'packages-version': record.version,
    'packages-architecture': record.architecture,
    'packages-size': record.size,
    'packages-file': listed.file,
    'packages-is-valid': isValid,
    dist: listed.suite,
    component: listed.component,
    ...(listed.fetchedFrom && { 'packages-fetched-from': listed.fetchedFrom }),
  };
}

async function listersOf(
  target: PoolTarget,
  context: InspectionContext,
  options: { readonly fetched: FetchedIndexes; readonly fetch: boolean },
) {
  const { listed, indexes } = await listedPackages(target, context);
  if (listed.length > 0) return { listed, indexes };
  const further = await furtherPackage(target, context, { known: indexes, ...options });
  return { listed: further ? [further] : [], indexes };
}

function whyUnlisted({ kind, places: [place] }: PoolTarget, indexes: ReadonlySet<string>): string {
  const [noun, index] = nouns[kind];
  if (indexes.size > 0) {
    return `none of the ${indexes.size} trusted ${index} indexes lists ${place?.path}; run apt-get update again`;
  }
  const lines = kind === 'source' ? ' with its deb-src line' : '';
  return `no ${index} index of ${place?.base} is trusted in this session: the ${noun} was asked for before its index; run apt-get update${lines} in the same session`;
}

function no(reason: string, annotations: JsonObject = {}): DebCheck {
  return { ok: false, reason, annotations };
}
