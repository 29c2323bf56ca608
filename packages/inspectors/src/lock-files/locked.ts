import { type Digest, isHexDigest, parseIntegrity } from '@waybill/contracts';

/** Ecosystems whose packages lock files pin. */
export type LockEcosystem = 'npm' | 'pip' | 'cargo' | 'go';

/** What a lock file says of one package, file or module. */
export interface LockedEntry {
  readonly ecosystem: LockEcosystem;
  /** As the ecosystem compares names: normalised for Python. */
  readonly name: string;
  readonly version: string;
  /** Any of these digests is the file's; of one list of alternatives or of one file. */
  readonly digests: readonly Digest[];
  /** Python: the one file that the digests are of. */
  readonly file?: string | undefined;
  /** npm: where the tarball comes from, when it is no registry's usual place. */
  readonly url?: string | undefined;
  /** Go: the `h1:` of the module's zip, or of its go.mod. */
  readonly sum?: { readonly part: 'zip' | 'mod'; readonly text: string } | undefined;
}

/** Text that is not the lock file it should be. */
export class LockFileError extends Error {
  override readonly name = 'LockFileError';
}

/** More packages than this are not read: the largest known lock files have some ten thousand. */
export const maxLockedEntries = 200_000;

/** Collects entries up to the limit; one whose name is empty pins nothing that could be asked for, and is left out. */
export function collectLocked(): { add(entry: LockedEntry): void; readonly entries: readonly LockedEntry[] } {
  const entries: LockedEntry[] = [];
  return {
    entries,
    add(entry) {
      if (entry.name === '') return;
      if (entries.length === maxLockedEntries) throw new LockFileError(`has more than ${maxLockedEntries} packages`);
      entries.push(entry);
    },
  };
}

/** Digests of Subresource Integrity text that bytes can be hashed with; sha1 only when there is nothing stronger. */
export function digestsOfIntegrity(text: unknown): readonly Digest[] {
  if (typeof text !== 'string' || text.length > 4096) return [];
  const found = parseIntegrity(text).filter(({ algorithm }) => ['sha512', 'sha256', 'sha1'].includes(algorithm));
  return found.filter(({ algorithm }) => algorithm === found[0]?.algorithm);
}

/** `sha256:<hex>` or `sha512:<hex>`; undefined for what counts for nothing. */
export function digestOfHash(text: unknown): Digest | undefined {
  const [, algorithm, hex = ''] = (typeof text === 'string' && /^(sha256|sha512)[:=]([0-9a-fA-F]+)$/.exec(text)) || [];
  const digest = { algorithm: algorithm as 'sha256' | 'sha512', hex: hex.toLowerCase() };
  return algorithm && isHexDigest(digest.algorithm, digest.hex) ? digest : undefined;
}

/** A value's own members, whatever their names; undefined for what is no object. */
export function members(value: unknown): ReadonlyMap<string, unknown> | undefined {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return undefined;
  return new Map(Object.entries(value));
}

/** Text of a bounded length, else undefined. */
export function textOf(value: unknown, longest = 4096): string | undefined {
  return typeof value === 'string' && value !== '' && value.length <= longest ? value : undefined;
}
