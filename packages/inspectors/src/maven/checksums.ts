import { createHash } from 'node:crypto';
import { buffer } from 'node:stream/consumers';
import type { CatalogParser, Digest, InspectionContext, VouchLink } from '@waybill/contracts';
import { isHexDigest } from '@waybill/contracts';
import { type GradleModule, moduleKind, moduleScope } from './gradle-module.js';
import type { Located, MavenRepository } from './repositories.js';

/** Kind of the catalogs that checksum files are. */
export const checksumKind = 'maven.checksum';
export const checksumBytes = 4096;

/** Scope of the checksum files of one file. */
export function checksumScope(repositoryId: string, path: string): string {
  return `${checksumKind}:${repositoryId}:${path}`;
}

/** Those that vouch, strongest first. md5 never does. */
export const vouchingAlgorithms = ['sha512', 'sha256', 'sha1'] as const;
type Algorithm = (typeof vouchingAlgorithms)[number];

/** The digest in a checksum file: hex, with or without a file's name around it (`<hex>  <name>`, `SHA256(name)= <hex>`). */
export function readChecksum(text: string, algorithm: string): Digest | undefined {
  if (!isVouching(algorithm)) return undefined;
  const words = text
    .slice(0, checksumBytes)
    .toLowerCase()
    .split(/[\s=()*]+/);
  const found = new Set(words.filter((word) => isHexDigest(algorithm, word)));
  const [hex] = found;
  return hex !== undefined && found.size === 1 ? { algorithm, hex } : undefined;
}

export const checksumParser: CatalogParser<Digest | undefined> = {
  kind: checksumKind,
  async parse(bytes, ref) {
    const whole = await buffer(bytes);
    return readChecksum(whole.toString('latin1'), ref.attributes?.algorithm ?? '');
  },
  weigh: () => 400,
};

/** Somebody who says which digest a file has. */
export interface Voucher {
  readonly digest: Digest;
  readonly link: VouchLink;
}

/** What the session's module metadata and checksum files say of a file. */
export async function findVouchers({ repository, path }: Located, context: InspectionContext): Promise<Voucher[]> {
  const slash = path.lastIndexOf('/');
  const [directory, file] = [path.slice(0, slash), path.slice(slash + 1)];
  const vouchers: Voucher[] = [];
  for (const { ref, value } of await context.catalogs<GradleModule>(moduleScope(repository.id, directory))) {
    const [digest] = value.files.get(file) ?? [];
    if (digest) {
      const link = {
        kind: 'artifact',
        sha256: ref.sha256,
        inspector: moduleKind,
        name: `module of ${value.component.artifact}`,
      } as const;
      vouchers.push({ digest, link });
    }
  }
  for (const { ref, value } of await context.catalogs<Digest | undefined>(checksumScope(repository.id, path))) {
    if (value) vouchers.push({ digest: value, link: checksumLink(ref.sha256, file, value) });
  }
  return strongestFirst(vouchers);
}

/**
 * Asks for the checksum files, which clients fetch only after the file itself: all that vouch at once, because what a
 * repository has is not known beforehand.
 */
export async function fetchVouchers(
  { repository, path }: { readonly repository: MavenRepository; readonly path: string },
  context: InspectionContext,
): Promise<Voucher[]> {
  const file = path.slice(path.lastIndexOf('/') + 1);
  const found = await Promise.all(
    vouchingAlgorithms.map(async (algorithm): Promise<Voucher | undefined> => {
      const bytes = await context.companion(new URL(`${path}.${algorithm}`, repository.url), checksumBytes);
      const digest = bytes && readChecksum(Buffer.from(bytes).toString('latin1'), algorithm);
      if (!bytes || !digest) return undefined;
      return { digest, link: checksumLink(createHash('sha256').update(bytes).digest('hex'), file, digest) };
    }),
  );
  return strongestFirst(found.filter((voucher) => voucher !== undefined));
}

function checksumLink(sha256: string, file: string, { algorithm }: Digest): VouchLink {
  return { kind: 'artifact', sha256, inspector: checksumKind, name: `${algorithm} of ${file}` };
}

function strongestFirst(vouchers: readonly Voucher[]): Voucher[] {
  const rank = ({ digest }: Voucher) => vouchingAlgorithms.indexOf(digest.algorithm as Algorithm);
  return vouchers.toSorted((a, b) => rank(a) - rank(b));
}

function isVouching(algorithm: string): algorithm is Algorithm {
  return (vouchingAlgorithms as readonly string[]).includes(algorithm);
}
