import type {
  ArtifactInspection,
  ArtifactView,
  InspectionContext,
  InspectorsConfig,
  RequestView,
  VouchLink,
} from '@waybill/contracts';
import { ArchiveError, type ArchiveLimits, archiveLimits } from '../archive/expand.js';
import type { Inspector } from '../inspector.js';
import { type LockedPackages, lockedPackages } from '../lock-files/lock-files.js';
import { approved, pending, rejected, rejectedRequest } from '../opinions.js';
import { type CrateListing, cargoIndexKind, crateScope } from './index-lines.js';
import { parseCratePath } from './index-path.js';
import { crateMetadata, readCrateManifest } from './manifest.js';
import { type CargoRegistry, cargoRegistries, locateInIndex } from './registries.js';

interface Expected {
  /** All whose `downloads` match. */
  readonly registries: readonly CargoRegistry[];
  /** What the URL tells. */
  readonly named: { readonly name: string; readonly version: string } | undefined;
}

/** An index file that lists the crate. */
interface Voucher {
  readonly registry: CargoRegistry;
  readonly name: string;
  readonly version: string;
  readonly sha256: string;
  readonly link: VouchLink;
}

/**
 * Crates. Approved when the bytes have the sha256 that the index of a configured registry gives for them and `Cargo.toml` inside
 * has the listed name and version. docs/inspectors/cargo.crate.md
 */
export function cargoCrate(
  config: InspectorsConfig,
  { limits = archiveLimits }: { readonly limits?: ArchiveLimits } = {},
): Inspector<Expected> {
  const registries = cargoRegistries(config);
  const locked = lockedPackages(config);
  return {
    id: 'cargo.crate',
    inspectRequest(request) {
      const matching = registriesOf(registries, request);
      if (matching.length === 0) return undefined;
      const named = parseCratePath(request.url.pathname);
      const [first] = matching;
      const notes = { registry: first?.id ?? '', ...(named && { package: named.name, version: named.version }) };
      const what = named ? `${named.name} ${named.version}` : 'a crate';
      if (request.method !== 'GET' && request.method !== 'HEAD') {
        return rejectedRequest(`${request.method} of ${what}: a build only reads crates`, notes);
      }
      return pending(`${what} from ${first?.id}`, { registries: matching, named }, notes);
    },
    async vouchedDigests(_request, { registries: matching, named }, context) {
      const vouchers = named ? await findVouchers(matching, named, context, locked) : [];
      return vouchers.map(({ sha256, link }) => ({
        digests: [{ algorithm: 'sha256', hex: sha256 }],
        vouchedBy: link,
      }));
    },
    async inspectArtifact(artifact, expected, context) {
      if (!expected) return undefined;
      return inspectCrate(artifact, expected, { limits, context, locked });
    },
  };
}

/** Below the index itself nothing is a crate, however wide a glob is. */
function registriesOf(registries: readonly CargoRegistry[], { normalizedUrl }: RequestView): readonly CargoRegistry[] {
  const query = normalizedUrl.indexOf('?');
  const address = query < 0 ? normalizedUrl : normalizedUrl.slice(0, query);
  const matching = registries.filter(({ downloads }) => downloads.some((glob) => glob.matches(address)));
  if (matching.length === 0) return matching;
  const located = locateInIndex(registries, address);
  return located && !parseCratePath(`/${located.path}`) ? [] : matching;
}

interface Settings {
  readonly limits: ArchiveLimits;
  readonly context: InspectionContext;
  readonly locked: LockedPackages;
}

async function inspectCrate(
  artifact: ArtifactView,
  { registries, named }: Expected,
  { limits, context, locked }: Settings,
): Promise<ArtifactInspection> {
  const early = named ? await findVouchers(registries, named, context, locked) : [];
  if (named && early.length === 0) return notVouched(registries, named);
  if (named && !early.some(({ sha256 }) => sha256 === artifact.digests.sha256)) return mismatch(artifact, early);
  let manifest: Awaited<ReturnType<typeof readCrateManifest>>;
  try {
    manifest = await readCrateManifest(artifact.openRaw(), { limits, signal: context.signal });
  } catch (error) {
    if (!(error instanceof ArchiveError)) throw error;
    return rejected(`${named ? `${named.name} ${named.version}` : 'the crate'}: ${error.message}`);
  }
  // A URL that does not tell: the manifest says which lines to look at, and the digest in them decides.
  const vouchers = named ? early : await findVouchers(registries, manifest, context, locked);
  if (vouchers.length === 0) return notVouched(registries, manifest);
  const voucher = vouchers.find(({ sha256 }) => sha256 === artifact.digests.sha256);
  if (!voucher) return mismatch(artifact, vouchers);
  if (manifest.name !== voucher.name || manifest.version !== voucher.version) {
    const found = JSON.stringify(`${manifest.name} ${manifest.version}`.slice(0, 300));
    return rejected(`expected ${voucher.name} ${voucher.version}, the archive holds ${found}`);
  }
  const source = voucher.link.kind === 'digest' ? 'the lock file' : 'its index';
  return approved(`sha256 of ${voucher.name} ${voucher.version} as ${source} lists it, name and version match`, {
    metadata: crateMetadata(manifest, voucher.registry.host),
    vouchedBy: [voucher.link],
  });
}

/** What the configuration's lock files and the session's index files say of a crate, newest first. */
async function findVouchers(
  registries: readonly CargoRegistry[],
  { name, version }: { readonly name: string; readonly version: string },
  context: InspectionContext,
  locked: LockedPackages,
): Promise<Voucher[]> {
  const [first] = registries;
  const vouchers: Voucher[] = !first
    ? []
    : locked
        .find('cargo', name, version)
        .flatMap(({ digests, link }) =>
          digests.map(({ hex }) => ({ registry: first, name, version, sha256: hex, link })),
        );
  for (const registry of registries) {
    const catalogs = await context.catalogs<CrateListing>(crateScope(registry.id, name));
    for (const { ref, value } of catalogs.toReversed()) {
      const sha256 = value.checksums.get(version);
      if (sha256 === undefined) continue;
      const link = {
        kind: 'artifact',
        sha256: ref.sha256,
        inspector: cargoIndexKind,
        name: `index of ${value.name}`,
      } as const;
      vouchers.push({ registry, name: value.name, version, sha256, link });
    }
  }
  return vouchers;
}

function mismatch({ digests }: ArtifactView, vouchers: readonly Voucher[]): ArtifactInspection {
  const { name, version, sha256 } = vouchers[0] as Voucher;
  return rejected(`expected ${name} ${version} with sha256:${sha256}, found sha256:${digests.sha256}`, {
    hint: 'the crate differs from what its index lists: do not use it, and tell whoever runs the registry or mirror',
  });
}

function notVouched(
  registries: readonly CargoRegistry[],
  { name, version }: { readonly name: string; readonly version: string },
): ArtifactInspection {
  const ids = registries.map(({ id }) => id).join(', ');
  return rejected(`no index of ${ids} that this session trusts lists ${name.slice(0, 255)} ${version.slice(0, 256)}`, {
    hint: 'let cargo read the index in the same session: start with an empty CARGO_HOME, and not with --offline',
  });
}
