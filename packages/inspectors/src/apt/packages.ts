import type { ArtifactView, CatalogParser, InspectionContext } from '@waybill/contracts';
import type { Inspector } from '../inspector.js';
import { offerWithValue } from '../offer.js';
import { approved, rejected, unknown } from '../opinions.js';
import { type IndexTarget, parseAptUrl } from './apt-url.js';
import { checkDeb, claimDeb, describePackage, vouchedDebDigests } from './deb-chain.js';
import type { FetchedIndexes } from './fetched-indexes.js';
import { FormatProblem } from './format-problem.js';
import { checkIndex, claimIndex, linkTo, refuseIndex } from './index-check.js';
import { type DebTarget, packagesScope } from './package-lists.js';
import { packagesDerivation, readPackages } from './packages-derivation.js';
import type { PackagesIndex } from './packed-table.js';
import type { Repository } from './repositories.js';

/** What a claimed request asks for. */
export type PackagesExpected = IndexTarget | DebTarget;

const packagesCatalog: CatalogParser<PackagesIndex> = {
  kind: 'apt.packages',
  parse: (bytes, _ref, signal) => readPackages(bytes, signal),
  weigh: packagesDerivation.weigh,
  derivation: packagesDerivation,
};

/** `apt.packages`: Packages indexes that a trusted release lists, and whether a trusted index lists a package. */
export function aptPackages(repositories: readonly Repository[], fetched: FetchedIndexes): Inspector<PackagesExpected> {
  return {
    id: 'apt.packages',
    inspectRequest(request) {
      const target = parseAptUrl(request, repositories);
      if (target?.kind === 'index') return claimIndex(request, repositories, 'packages');
      return claimDeb(target);
    },
    async vouchedDigests(_request, expected, context) {
      return expected.kind === 'deb' ? vouchedDebDigests(expected, context, fetched) : [];
    },
    async inspectArtifact(artifact, expected, context) {
      if (!expected) return undefined;
      return expected.kind === 'deb'
        ? inspectDeb(expected, artifact, context, fetched)
        : inspectPackages(expected, artifact, context);
    },
    catalogs: [packagesCatalog as CatalogParser],
  };
}

async function inspectDeb(
  target: DebTarget,
  artifact: ArtifactView,
  context: InspectionContext,
  fetched: FetchedIndexes,
) {
  const check = await checkDeb(target, artifact, context, fetched);
  if (!check.ok) return rejected(check.reason, { annotations: { 'packages-is-valid': false, ...check.annotations } });
  return unknown('listed in a trusted Packages index', { annotations: describePackage(check.listed, true) });
}

async function inspectPackages(target: IndexTarget, artifact: ArtifactView, context: InspectionContext) {
  const check = await checkIndex(target, artifact, context);
  if (!check.ok) return refuseIndex(target, check);
  const { listed, reading } = check;
  const make = () => readPackages(reading.open(), context.signal);
  const index = await context.derived(packagesDerivation, listed.entry.sha256, make).catch((error: unknown) => {
    if (error instanceof FormatProblem) return error;
    throw error;
  });
  if (index instanceof FormatProblem) {
    return rejected(`Packages file ${index.message}`, {
      annotations: { 'error-msg': index.message, 'release-file': listed.release.ref.sha256 },
    });
  }
  const { place, release } = listed;
  const { suite, codename, origin } = release.value;
  return approved(`lists ${index.count} packages and is listed in a trusted release`, {
    metadata: {
      type: 'application/x.apt.packages',
      name: 'Packages',
      version: codename,
      vendor: origin,
      author: origin,
      description: `${place.suite} ${place.component}`,
      architecture: target.architecture,
      'apt-suite': suite,
    },
    annotations: { 'package-count': index.count, 'release-file': release.ref.sha256 },
    vouchedBy: [linkTo(release)],
    provides: [
      offerWithValue(
        {
          scope: packagesScope(place.origin),
          kind: packagesCatalog.kind,
          attributes: { suite, codename, vendor: origin, component: place.component },
        },
        index,
      ),
    ],
  });
}
