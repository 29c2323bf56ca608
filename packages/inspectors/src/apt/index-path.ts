import { type Digest, isHexDigest } from '@waybill/contracts';

/**
 * `listed`: indexes that are verified by their digest alone (AppStream, Contents). `any`: asked for by hash where indexes of
 * several kinds lie side by side.
 */
export type IndexFamily = 'packages' | 'sources' | 'translations' | 'commands' | 'listed' | 'any';

/** What the end of an index's path says; what stands before it are suite and component. */
export interface IndexPath {
  readonly family: IndexFamily;
  /** Segments of suite and component, in front. */
  readonly before: readonly string[];
  /** Below the component, e.g. `binary-amd64`; empty for indexes of the component itself. */
  readonly directory: string;
  /** Set for requests by name. */
  readonly fileName?: string | undefined;
  /** Set for requests by hash. */
  readonly byHash?: Digest | undefined;
}

const suffix = '(\\.(xz|gz|zst|bz2|lzma|lz4))?$';
const families: readonly (readonly [IndexFamily, directory: RegExp, file: RegExp])[] = [
  ['packages', /^binary-[a-z0-9-]+$/, new RegExp(`^Packages${suffix}`)],
  ['translations', /^i18n$/, new RegExp(`^Translation-[A-Za-z0-9_@.-]+?${suffix}`)],
  ['commands', /^cnf$/, new RegExp(`^Commands-[a-z0-9-]+${suffix}`)],
  ['listed', /^dep11$/, new RegExp(`^(Components-[a-z0-9-]+\\.yml|icons-[0-9x@]+\\.tar)${suffix}`)],
  ['sources', /^source$/, new RegExp(`^Sources${suffix}`)],
  ['listed', /^$/, new RegExp(`^Contents-[a-z0-9-]+${suffix}`)],
];

/** Indexes of a flat repository: all in the directory of its release. */
const flatFamilies: readonly (readonly [IndexFamily, file: RegExp])[] = [
  ['packages', new RegExp(`^Packages${suffix}`)],
  ['sources', new RegExp(`^Sources${suffix}`)],
  ['translations', new RegExp(`^(i18n/)?Translation-[A-Za-z0-9_@.-]+?${suffix}`)],
  ['listed', new RegExp(`^(Contents-[a-z0-9-]+|Components-[a-z0-9-]+\\.yml|icons-[0-9x@]+\\.tar)${suffix}`)],
];

/** @param path below the directory of the release; undefined for by-hash requests, which do not show it */
export function flatFamilyOf(path: string | undefined): IndexFamily | undefined {
  return path === undefined ? 'any' : flatFamilies.find(([, file]) => file.test(path))?.[0];
}

/** Reads the segments below the directory of a flat repository's release. */
export function readFlatPath(rest: readonly string[]): Pick<IndexPath, 'family' | 'fileName' | 'byHash'> | undefined {
  const byHash = rest.length === 3 ? parseByHash(rest) : undefined;
  const fileName = byHash ? undefined : rest.join('/');
  const family = flatFamilyOf(fileName);
  return family && { family, fileName, byHash };
}

/** @param fileName undefined for by-hash requests, which do not show it */
export function familyOf(directory: string, fileName: string | undefined): IndexFamily | undefined {
  return families.find(([, dir, file]) => dir.test(directory) && (fileName === undefined || file.test(fileName)))?.[0];
}

/** Reads the segments below `dists/`; undefined for what is no index that can be verified. */
export function readIndexPath(rest: readonly string[]): IndexPath | undefined {
  const byHash = parseByHash(rest);
  const fileName = byHash ? undefined : rest.at(-1);
  const folders = rest.slice(0, byHash ? -3 : -1);
  const directory = folders.at(-1) ?? '';
  // Differences (pdiff) list further files by digests of their own, which nobody here reads.
  if (directory.endsWith('.diff')) return undefined;
  const family = familyOf(directory, fileName);
  if (family) return { family, before: folders.slice(0, -1), directory, fileName, byHash };
  const own = familyOf('', fileName);
  return own && { family: own, before: folders, directory: '', fileName, byHash };
}

/** Suite and component, however many segments each has; an index of the component itself may stand above all components. */
export function suitesAndComponents({ before, directory }: IndexPath): { suite: string; component: string }[] {
  const last = directory === '' ? before.length : before.length - 1;
  return Array.from({ length: Math.max(0, last) }, (_, index) => ({
    suite: before.slice(0, index + 1).join('/'),
    component: before.slice(index + 1).join('/'),
  }));
}

/** `…/by-hash/SHA256/<hex>`; weak algorithms are no index request. */
function parseByHash(rest: readonly string[]): Digest | undefined {
  const [byHash, name, hex = ''] = rest.slice(-3);
  const algorithm = name === 'SHA256' ? 'sha256' : name === 'SHA512' ? 'sha512' : undefined;
  return byHash === 'by-hash' && algorithm && isHexDigest(algorithm, hex) ? { algorithm, hex } : undefined;
}
