import type { ArtifactView, CatalogParser, InspectionContext } from '@waybill/contracts';
import type { Inspector } from '../inspector.js';
import { offerWithValue } from '../offer.js';
import { approved, pending, rejected, unknown, unknownRequest } from '../opinions.js';
import { type IndexTarget, parseAptUrl, type ReleaseFileName, type SuitePlace } from './apt-url.js';
import { FormatProblem } from './format-problem.js';
import {
  checkIndex,
  claimIndex,
  describeListed,
  describePlace,
  familyOfListed,
  type ListedIndex,
  linkTo,
  releaseScope,
  releasesScope,
  vouchedIndexDigests,
} from './index-check.js';
import { type CheckedRelease, checkReleaseFile, checkReleaseSignature, readReleaseText } from './release-check.js';
import { maxReleaseBytes, parseRelease, type ReleaseFile, weighRelease } from './release-file.js';
import { isFlatSuite, type Repository } from './repositories.js';

/** What a claimed request asks for. */
export type ReleaseExpected =
  | IndexTarget
  | { readonly kind: 'release'; readonly file: ReleaseFileName; readonly places: readonly SuitePlace[] };

/** Reads a release again whose signature this session has checked. */
const releaseCatalog: CatalogParser<ReleaseFile> = {
  kind: 'apt.release',
  async parse(bytes, ref, signal) {
    return parseRelease(await readReleaseText(await readBounded(bytes, signal)), {
      isFlat: isFlatSuite(ref.attributes?.suite ?? ''),
    });
  },
  weigh: weighRelease,
};

/**
 * `apt.release`: InRelease, Release and Release.gpg by their OpenPGP signature and dates; for the other indexes below
 * `dists/` whether a trusted release lists them. What no other inspector reads (AppStream, Contents, Sources) is approved by
 * its digest alone: apt-get update fails when it may not have an index that the release offers.
 */
export function aptRelease(repositories: readonly Repository[]): Inspector<ReleaseExpected> {
  return {
    id: 'apt.release',
    inspectRequest(request) {
      const target = parseAptUrl(request, repositories);
      if (target?.kind === 'index') return claimIndex(request, repositories);
      const [place] = target?.places ?? [];
      if (target?.kind === 'refused') {
        return unknownRequest(target.reason, place && { 'cfg-name': place.repository.name, origin: place.origin });
      }
      if (target?.kind !== 'release' || !place) return undefined;
      return pending(
        `${target.file} of a configured repository`,
        target,
        describePlace(target.places[0] as SuitePlace),
      );
    },
    async vouchedDigests(_request, expected, context) {
      return expected.kind === 'index' ? vouchedIndexDigests(expected, context) : [];
    },
    async inspectArtifact(artifact, expected, context) {
      if (!expected) return undefined;
      if (expected.kind === 'index') return inspectIndex(expected, artifact, context);
      try {
        const bytes = await readBounded(artifact.open(), context.signal);
        if (expected.file === 'Release.gpg') return await inspectSignature(bytes, expected.places, artifact, context);
        return await inspectRelease(bytes, expected.file, expected.places, artifact, context);
      } catch (error) {
        if (!(error instanceof FormatProblem)) throw error;
        return rejected(`${expected.file} ${error.message}`, {
          annotations: { 'file format errors': error.message },
        });
      }
    },
    catalogs: [releaseCatalog as CatalogParser],
  };
}

async function inspectIndex(target: IndexTarget, artifact: ArtifactView, context: InspectionContext) {
  const check = await checkIndex(target, artifact, context);
  if (!check.ok) return rejected(check.reason, { annotations: check.annotations });
  if (familyOfListed(target, check.listed) === 'listed') return approveListed(check.listed);
  return unknown(`listed in a trusted release as ${check.listed.entry.path}`, {
    annotations: describeListed(check.listed),
  });
}

/** An index that no inspector reads: the release's word on its digest is all there is to check. */
function approveListed(listed: ListedIndex) {
  const { entry, place, release } = listed;
  const { codename, origin, suite } = release.value;
  return approved(`listed in a trusted release as ${entry.path}`, {
    metadata: {
      type: 'application/x.apt.index',
      name: entry.path.slice(entry.path.lastIndexOf('/') + 1).replace(/\.(xz|gz|zst|bz2|lzma|lz4)$/, ''),
      version: codename,
      vendor: origin,
      author: origin,
      description: `${place.suite} ${place.component}`.trim(),
      'apt-suite': suite,
    },
    annotations: describeListed(listed),
    vouchedBy: [linkTo(release)],
  });
}

async function inspectRelease(
  bytes: Buffer,
  file: 'InRelease' | 'Release',
  places: readonly SuitePlace[],
  artifact: ArtifactView,
  context: InspectionContext,
) {
  const refusals = new Set<string>();
  const notes: Record<string, string> = {};
  for (const place of places) {
    const check = await checkReleaseFile({ bytes, file, place, url: artifact.request.url, context });
    if (check.ok) return approveRelease(file, place, check);
    refusals.add(check.reason);
    notes[check.kind] = check.reason;
  }
  return rejected([...refusals].join('; '), { annotations: notes });
}

function approveRelease(file: string, place: SuitePlace, { release, signers, bytesVerifiedBy }: CheckedRelease) {
  return approved(`signed by ${signers.map(({ name }) => name).join(' and ')}`, {
    metadata: {
      type: 'application/x.apt.release',
      name: file,
      version: release.codename,
      vendor: release.origin,
      author: release.origin,
      description: release.description,
      'apt-suite': release.suite,
    },
    annotations: {
      ...release.fields,
      'public-keys': signers.map(({ fingerprint }) => fingerprint),
      'signing-keys': signers.map(({ signingKey }) => signingKey),
      'signature-file': bytesVerifiedBy,
    },
    vouchedBy: signers.map(({ fingerprint, name }) => ({ kind: 'key', id: fingerprint, name })),
    provides: [releaseScope(place.origin, place.suite), releasesScope(place.origin)].map((scope) =>
      offerWithValue(
        { scope, kind: releaseCatalog.kind, attributes: { repository: place.repository.name, suite: place.suite } },
        release,
      ),
    ),
  });
}

async function inspectSignature(
  signature: Buffer,
  places: readonly SuitePlace[],
  artifact: ArtifactView,
  context: InspectionContext,
) {
  const refusals = new Set<string>();
  for (const place of places) {
    const check = await checkReleaseSignature({ bytes: signature, place, url: artifact.request.url, context });
    if (!check.ok) {
      refusals.add(check.reason);
      continue;
    }
    return approved(`signature of the Release file with sha256 ${check.releaseSha256}`, {
      metadata: {
        type: 'application/pgp-signature',
        name: 'Release.gpg',
        version: check.release.codename,
        vendor: check.release.origin,
        author: check.release.origin,
        description: `signature of ${check.release.description}`,
        'apt-suite': check.release.suite,
      },
      annotations: {
        'release-file': check.releaseSha256,
        'public-keys': check.signers.map(({ fingerprint }) => fingerprint),
      },
      vouchedBy: check.signers.map(({ fingerprint, name }) => ({ kind: 'key', id: fingerprint, name })),
    });
  }
  return rejected([...refusals].join('; '), { annotations: { 'integrity errors': [...refusals] } });
}

async function readBounded(stream: AsyncIterable<Uint8Array>, signal: AbortSignal): Promise<Buffer> {
  const chunks: Uint8Array[] = [];
  let size = 0;
  for await (const chunk of stream) {
    signal.throwIfAborted();
    size += chunk.length;
    if (size > maxReleaseBytes) throw new FormatProblem(`has more than ${maxReleaseBytes} bytes`);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks, size);
}
