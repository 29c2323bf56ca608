import type { ArtifactView, Catalog, InspectionContext, JsonObject, VouchedDigest } from '@waybill/contracts';
import type { AptTarget, PoolPlace } from './apt-url.js';
import { linkTo } from './index-check.js';
import type { PackageRecord, PackagesIndex } from './package-table.js';
import { difference, isListed, type Reading, readingOf } from './readings.js';

export type DebTarget = Extract<AptTarget, { kind: 'deb' }>;

/** A paragraph of a trusted Packages index that lists a package's path. */
export interface ListedPackage {
  readonly place: PoolPlace;
  readonly index: Catalog<PackagesIndex>;
  readonly record: PackageRecord;
}

export type DebCheck =
  | { readonly ok: true; readonly listed: ListedPackage; readonly reading: Reading }
  | { readonly ok: false; readonly reason: string; readonly annotations: JsonObject };

/** Scope under which a repository's trusted Packages indexes are found. */
export function packagesScope(origin: string): string {
  return `apt.packages:${origin}`;
}

/** Checks a package's bytes against the Packages indexes that the session trusts. */
export async function checkDeb(
  target: DebTarget,
  artifact: ArtifactView,
  context: InspectionContext,
): Promise<DebCheck> {
  const { listed, indexes } = await listedPackages(target, context);
  const [first] = listed;
  if (!first) {
    const [place] = target.places;
    if (indexes === 0) {
      return no(
        `no Packages index of ${place?.base} is trusted in this session: the package was asked for before its index; run apt-get update in the same session`,
      );
    }
    return no(`none of the ${indexes} trusted Packages indexes lists ${place?.path}; run apt-get update again`);
  }
  const reading = await readingOf(
    artifact,
    listed.map(({ record }) => record),
  );
  const match = reading && listed.find(({ record }) => isListed(record, reading));
  if (reading && match) return { ok: true, listed: match, reading };
  const found = difference(first.record.path, artifact, 'the trusted Packages index', first.record);
  return no(
    `${found}: the mirror is in the middle of an update or the package was tampered with; run apt-get update again`,
    {
      ...describePackage(first, false),
      'expected-sha256': first.record.sha256,
    },
  );
}

/** Digests under which the session's Packages indexes list a path. */
export async function vouchedDebDigests(target: DebTarget, context: InspectionContext): Promise<VouchedDigest[]> {
  const { listed } = await listedPackages(target, context);
  return listed.map(({ record, index }) => ({
    digests: [
      { algorithm: 'sha256', hex: record.sha256 },
      ...(record.sha512 ? [{ algorithm: 'sha512', hex: record.sha512 } as const] : []),
    ],
    size: record.size,
    vouchedBy: linkTo(index),
  }));
}

/** Annotations of a package. specs/fetch-service.md §5.2 */
export function describePackage({ index, record }: ListedPackage, isValid: boolean): JsonObject {
  return {
    'packages-name': record.name,
    'packages-version': record.version,
    'packages-architecture': record.architecture,
    'packages-size': record.size,
    'packages-file': index.ref.sha256,
    'packages-is-valid': isValid,
    dist: index.ref.attributes?.suite ?? '',
    component: index.ref.attributes?.component ?? '',
  };
}

/** Paragraphs that list the path, those of the newest index first, one per distinct digest. */
async function listedPackages(
  target: DebTarget,
  context: InspectionContext,
): Promise<{ listed: ListedPackage[]; indexes: number }> {
  const listed: ListedPackage[] = [];
  let indexes = 0;
  for (const place of target.places) {
    const trusted = await context.catalogs<PackagesIndex>(packagesScope(place.origin));
    indexes += trusted.length;
    for (const index of trusted.toReversed()) {
      const record = index.value.find(place.path);
      if (record && !listed.some((known) => known.record.sha256 === record.sha256))
        listed.push({ place, index, record });
    }
  }
  return { listed, indexes };
}

function no(reason: string, annotations: JsonObject = {}): DebCheck {
  return { ok: false, reason, annotations };
}
