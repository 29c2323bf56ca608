import {
  type ArtifactInspection,
  type ArtifactView,
  type Digest,
  formatDigest,
  type InspectionContext,
  type InspectorsConfig,
} from '@waybill/contracts';
import { ArchiveError, type ArchiveLimits, archiveLimits } from '../archive/expand.js';
import { type Digestible, decodedDigests, foundInstead, hasDigest } from '../has-digest.js';
import type { Inspector } from '../inspector.js';
import { lockedPackages } from '../lock-files/lock-files.js';
import { approved, pending, rejected, rejectedRequest } from '../opinions.js';
import { manifestDerivation, manifestMetadata, type PackageManifest, readManifest } from './package-json.js';
import type { ListedTarball } from './packument-catalog.js';
import { npmRegistries } from './registries.js';
import { locateTarball, type TarballPlace } from './tarball-place.js';
import { judgeSignature } from './tarball-signature.js';
import { fetchVoucher, findVouchers, type Voucher } from './tarball-vouchers.js';

/**
 * Package tarballs. Approved when the bytes match the digest that a packument of a configured registry gives them and the
 * package.json inside has the listed name and version. docs/inspectors/npm.tarball.md
 */
export function npmTarball(
  config: InspectorsConfig,
  { limits = archiveLimits }: { readonly limits?: ArchiveLimits } = {},
): Inspector<readonly TarballPlace[]> {
  const registries = npmRegistries(config);
  const locked = lockedPackages(config);
  return {
    id: 'npm.tarball',
    inspectRequest(request) {
      const places = locateTarball(registries, request);
      const [first] = places;
      if (!first) return undefined;
      const notes = {
        registry: first.registry.id,
        ...(first.name !== undefined && { package: first.name }),
        ...(first.version !== undefined && { version: first.version }),
      };
      if (request.method !== 'GET' && request.method !== 'HEAD') {
        return rejectedRequest(`${request.method} changes a tarball in the registry; a build only reads it`, notes);
      }
      const what = first.name === undefined ? 'a tarball' : `a tarball of ${first.name}`;
      return pending(`${what} from ${first.registry.id}`, places, notes);
    },
    async vouchedDigests(_request, places, context) {
      const known = await findVouchers(places, context, locked);
      const vouchers = known.length === 0 && context.mayFetch ? await fetchVoucher(places, context) : known;
      return vouchers
        .filter(({ listed }) => listed.digests.length > 0)
        .map(({ listed, link }) => ({ digests: listed.digests, vouchedBy: link }));
    },
    async inspectArtifact(artifact, places, context) {
      if (!places) return undefined;
      const known = await findVouchers(places, context, locked);
      const vouchers = known.length > 0 ? known : await fetchVoucher(places, context);
      if (vouchers.length === 0) return notVouched(places);
      return inspectTarball(artifact, { vouchers, limits, context });
    },
  };
}

interface Question {
  readonly vouchers: readonly Voucher[];
  readonly limits: ArchiveLimits;
  readonly context: InspectionContext;
}

async function inspectTarball(
  artifact: ArtifactView,
  { vouchers, limits, context }: Question,
): Promise<ArtifactInspection> {
  const match = await findMatch(artifact, vouchers);
  if (!match) return await mismatch(artifact, vouchers);
  const { voucher, digest, isDecoded } = match;
  const { listed, link, annotations } = voucher;
  const notes = {
    integrity: digest.algorithm,
    ...(digest.algorithm === 'sha1' && { 'weak-integrity': true }),
    ...(isDecoded && { 'digest-of': 'decoded bytes' }),
    ...annotations,
  };
  let manifest: PackageManifest;
  try {
    const { sha256 } = isDecoded ? (await artifact.decoded()).digests : artifact.digests;
    manifest = await context.derived(manifestDerivation, sha256, () =>
      readManifest(isDecoded ? artifact.open() : artifact.openRaw(), { limits, signal: context.signal }),
    );
  } catch (error) {
    if (!(error instanceof ArchiveError)) throw error;
    return rejected(`${listed.name}@${listed.version}: ${error.message}`, { annotations: notes });
  }
  const signature = await judgeSignature(voucher, digest, context);
  if (signature.fault !== undefined) return rejected(signature.fault, { annotations: notes, hint: signature.hint });
  if (manifest.name !== listed.name || plainVersion(manifest.version) !== plainVersion(listed.version)) {
    const found = JSON.stringify(`${manifest.name}@${manifest.version}`.slice(0, 300));
    return rejected(`expected ${listed.name}@${listed.version}, the archive holds ${found}`, { annotations: notes });
  }
  return approved(
    `${digest.algorithm} of ${listed.name}@${listed.version} as ${sourceOf(voucher)} lists it, name and version match`,
    {
      metadata: manifestMetadata({ ...manifest, version: listed.version }, voucher.registry.host),
      vouchedBy: [link, ...signature.vouchedBy],
      annotations: { ...notes, ...signature.annotations },
    },
  );
}

/** The first voucher whose strongest digest the bytes have, as they came or with Content-Encoding removed. */
async function findMatch(
  artifact: ArtifactView,
  vouchers: readonly Voucher[],
): Promise<{ voucher: Voucher; digest: Digest; isDecoded: boolean } | undefined> {
  for (const voucher of vouchers) {
    const raw = await matchStrongest(voucher.listed, artifact);
    if (raw) return { voucher, digest: raw, isDecoded: false };
  }
  if (artifact.contentEncoding === undefined) return undefined;
  const plain = await decodedDigests(artifact);
  for (const voucher of vouchers) {
    const decoded = await matchStrongest(voucher.listed, plain);
    if (decoded) return { voucher, digest: decoded, isDecoded: true };
  }
  return undefined;
}

/** Weaker digests do not count beside a stronger one; several of the strongest algorithm are alternatives. */
async function matchStrongest({ digests }: ListedTarball, actual: Digestible): Promise<Digest | undefined> {
  for (const digest of digests) {
    if (digest.algorithm === digests[0]?.algorithm && (await hasDigest(actual, digest))) return digest;
  }
  return undefined;
}

async function mismatch(artifact: ArtifactView, vouchers: readonly Voucher[]): Promise<ArtifactInspection> {
  const { listed } = vouchers[0] as Voucher;
  const [wanted] = listed.digests;
  const name = `${listed.name}@${listed.version}`;
  if (!wanted)
    return rejected(`${sourceOf(vouchers[0] as Voucher)} gives no digest for ${name}`, {
      hint: 'pin the file under generic.files',
    });
  const found = await foundInstead(artifact, wanted);
  return rejected(`expected ${name} with ${formatDigest(wanted)}, found ${found}`, {
    hint: 'the file differs from what the registry lists: do not use it, and tell whoever runs the registry or mirror',
  });
}

function sourceOf({ link }: Voucher): string {
  return link.kind === 'digest' ? 'the lock file' : 'its packument';
}

function notVouched(places: readonly TarballPlace[]): ArtifactInspection {
  const { name, version, registry } = places[0] as TarballPlace;
  const what = name === undefined ? 'this tarball' : `${name}${version === undefined ? '' : `@${version}`}`;
  return rejected(`no packument of ${registry.id} that this session trusts lists ${what}`, {
    hint: `fetch the packument in the same session first, e.g. npm view ${name ?? '<package>'}, or npm cache add`,
  });
}

/** Registries drop a leading `v` and build metadata when they make a version's key. */
function plainVersion(version: string): string {
  return version
    .trim()
    .replace(/^[=v\s]+/, '')
    .replace(/\+.*$/, '');
}
