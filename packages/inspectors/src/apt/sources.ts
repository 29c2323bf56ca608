import { type ArtifactView, type CatalogParser, formatPurl, type InspectionContext } from '@waybill/contracts';
import type { Inspector } from '../inspector.js';
import { offerWithValue } from '../offer.js';
import { approved, pending, rejected } from '../opinions.js';
import { type IndexTarget, parseAptUrl } from './apt-url.js';
import { checkDeb, vouchedDebDigests } from './deb-chain.js';
import { maxDscBytes, readDsc } from './dsc.js';
import type { FetchedIndexes } from './fetched-indexes.js';
import { FormatProblem } from './format-problem.js';
import { checkIndex, claimIndex, linkTo, refuseIndex } from './index-check.js';
import { type ListedPackage, type SourceTarget, sourcesScope } from './package-lists.js';
import type { PackagesIndex } from './packed-table.js';
import type { Reading } from './readings.js';
import type { Repository } from './repositories.js';
import { readSources, sourcesDerivation } from './sources-index.js';

/** What a claimed request asks for. */
export type SourcesExpected = IndexTarget | SourceTarget;

const sourcesCatalog: CatalogParser<PackagesIndex> = {
  kind: 'apt.sources',
  parse: (bytes, _ref, signal) => readSources(bytes, signal),
  weigh: sourcesDerivation.weigh,
  derivation: sourcesDerivation,
};

/** `apt.sources`: Sources indexes that a trusted release lists, and the files of source packages that they list. */
export function aptSources(repositories: readonly Repository[], fetched: FetchedIndexes): Inspector<SourcesExpected> {
  return {
    id: 'apt.sources',
    inspectRequest(request) {
      const target = parseAptUrl(request, repositories);
      if (target?.kind === 'index') return claimIndex(request, repositories, 'sources');
      const [place] = target?.kind === 'source' ? target.places : [];
      if (target?.kind !== 'source' || !place) return undefined;
      return pending('part of a source package of a configured repository', target, {
        'cfg-name': place.repository.name,
        origin: place.origin,
        repository: place.base,
      });
    },
    async vouchedDigests(_request, expected, context) {
      return expected.kind === 'source' ? vouchedDebDigests(expected, context, fetched) : [];
    },
    async inspectArtifact(artifact, expected, context) {
      if (!expected) return undefined;
      return expected.kind === 'source'
        ? inspectFile(expected, artifact, context, fetched)
        : inspectSources(expected, artifact, context);
    },
    catalogs: [sourcesCatalog as CatalogParser],
  };
}

async function inspectFile(
  target: SourceTarget,
  artifact: ArtifactView,
  context: InspectionContext,
  fetched: FetchedIndexes,
) {
  const check = await checkDeb(target, artifact, context, fetched);
  if (!check.ok) return rejected(check.reason, { annotations: check.annotations });
  const { listed, reading } = check;
  const { record } = listed;
  const isDsc = record.path.endsWith('.dsc');
  const fault = isDsc ? await dscFault(reading, listed, context) : undefined;
  const metadata = describe(listed, isDsc);
  if (fault) return rejected(fault, { metadata });
  return approved(`part of ${record.name} ${record.version} as listed in a trusted Sources index`, {
    metadata,
    annotations: {
      'sources-file': listed.file,
      dist: listed.suite,
      component: listed.component,
      ...(listed.fetchedFrom && { 'sources-fetched-from': listed.fetchedFrom }),
    },
    vouchedBy: [listed.link],
  });
}

/** What the .dsc says of itself must be what its index says of it. Its own signature is its uploader's: the archive's counts. */
async function dscFault(reading: Reading, { record }: ListedPackage, { signal }: InspectionContext) {
  try {
    if (reading.size > maxDscBytes) throw new FormatProblem(`has more than ${maxDscBytes} bytes`);
    const chunks: Buffer[] = [];
    for await (const chunk of reading.open()) {
      signal.throwIfAborted();
      chunks.push(chunk as Buffer);
    }
    const dsc = readDsc(Buffer.concat(chunks));
    if (dsc.source === record.name && dsc.version === record.version) return undefined;
    return `the .dsc is of ${dsc.source} ${dsc.version}, the trusted Sources index lists ${record.name} ${record.version} for ${record.path}`;
  } catch (error) {
    if (!(error instanceof FormatProblem)) throw error;
    return `${record.path} ${error.message}`;
  }
}

function describe({ record, suite, codename, vendor }: ListedPackage, isDsc: boolean) {
  const namespace = vendor
    .toLowerCase()
    .replace(/[^a-z0-9.+]+/g, '-')
    .replace(/^-|-$/g, '');
  return {
    type: isDsc ? 'text/x-debian-source-package' : 'application/x.apt.source',
    name: record.name,
    version: record.version,
    architecture: 'source',
    vendor,
    description: record.path.slice(record.path.lastIndexOf('/') + 1),
    'source-package': record.name,
    'apt-suite': suite,
    purl: formatPurl({
      type: 'deb',
      namespace: namespace || 'debian',
      name: record.name,
      version: record.version,
      qualifiers: { arch: 'source', ...(codename && { distro: codename }) },
    }),
  };
}

async function inspectSources(target: IndexTarget, artifact: ArtifactView, context: InspectionContext) {
  const check = await checkIndex(target, artifact, context);
  if (!check.ok) return refuseIndex(target, check);
  const { listed, reading } = check;
  const make = () => readSources(reading.open(), context.signal);
  const index = await context.derived(sourcesDerivation, listed.entry.sha256, make).catch((error: unknown) => {
    if (error instanceof FormatProblem) return error;
    throw error;
  });
  const { place, release } = listed;
  if (index instanceof FormatProblem) {
    return rejected(`Sources file ${index.message}`, {
      annotations: { 'error-msg': index.message, 'release-file': release.ref.sha256 },
    });
  }
  const { suite, codename, origin } = release.value;
  const attributes = { suite, codename, vendor: origin, component: place.component };
  const offer = { scope: sourcesScope(place.origin), kind: sourcesCatalog.kind, attributes };
  return approved(`lists ${index.count} source files and is listed in a trusted release`, {
    metadata: {
      type: 'application/x.apt.sources',
      name: 'Sources',
      version: codename,
      vendor: origin,
      author: origin,
      description: `${place.suite} ${place.component}`.trim(),
      'apt-suite': suite,
    },
    annotations: { 'file-count': index.count, 'release-file': release.ref.sha256 },
    vouchedBy: [linkTo(release)],
    provides: [offerWithValue(offer, index)],
  });
}
