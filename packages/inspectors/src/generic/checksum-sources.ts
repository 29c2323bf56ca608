import type { GenericChecksums, InspectionContext, InspectorsConfig, VouchLink } from '@waybill/contracts';
import { compileUrlGlob, normalizeUrl, type UrlGlob } from '@waybill/policy';
import { FormatProblem } from '../apt/format-problem.js';
import { fingerprintOf, type KeyRing, nameOf, readKeyRing } from '../apt/key-ring.js';
import { checkClearsigned, checkDetached, maxSignatureBytes, readClearsigned } from '../apt/open-pgp.js';
import { globVariants } from '../url-globs.js';
import { isClearsigned } from './checksum-list.js';
import { MinisignError, type MinisignKey, minisignFault, readMinisignKey } from './minisign.js';

/** A configured signed list, ready to match. */
export interface ChecksumSource {
  /** Path in the configuration: `generic.checksums[<n>]`. */
  readonly id: string;
  matchesList(normalizedUrl: string): boolean;
  /** The list that a file at this URL may be in; undefined when none may. */
  listFor(url: URL, normalizedUrl: string): URL | undefined;
  /** What is put behind a list's URL for its signature. */
  readonly suffixes: readonly string[];
  /** Who signed a list, or why that does not count. */
  check(list: Uint8Array, url: URL, context: InspectionContext): Promise<VouchLink | string>;
  /** The same with a signature at hand. */
  checkWith(list: Uint8Array, signature: Uint8Array, now: Date): Promise<VouchLink | string>;
}

/**
 * @throws PolicyError POLICY_GLOB_INVALID
 * @throws MinisignError for a key that cannot be read
 */
export function checksumSources(config: InspectorsConfig): readonly ChecksumSource[] {
  return (config.generic?.checksums ?? []).map(compile);
}

function compile(list: GenericChecksums, index: number): ChecksumSource {
  const globs = globVariants(list.url).map(compileUrlGlob);
  const files = (list.files ?? []).flatMap(globVariants).map(compileUrlGlob);
  const literal = globs.find((glob) => glob.literal !== undefined)?.literal;
  const matchesList = (url: string) => matchesAny(globs, url);
  const fileName = list.url.slice(list.url.lastIndexOf('/') + 1);
  const minisign = list['minisign-key'] === undefined ? undefined : readMinisignKey(list['minisign-key']);
  let ring: Promise<KeyRing> | undefined;
  const keys = () => {
    ring ??= readKeyRing(list['public-key'] ?? '');
    return ring;
  };
  const defaults = minisign ? ['.minisig'] : ['.asc', '.sig', '.gpg', '.sign'];
  const suffixes = list.signature === undefined ? defaults : [list.signature];
  const checkWith = (bytes: Uint8Array, signature: Uint8Array, now: Date) =>
    guarded(() => (minisign ? byMinisign(bytes, signature, minisign) : byOpenPgp(bytes, signature, keys, now)));
  return {
    id: `generic.checksums[${index}]`,
    matchesList,
    suffixes,
    listFor(url, normalizedUrl) {
      if (matchesAny(files, normalizedUrl)) return literal === undefined ? undefined : new URL(literal);
      if (/[*?[\]{}\\]/.test(fileName)) return undefined;
      for (const up of ['', '../', '../../']) {
        const candidate = new URL(`${up}${fileName}`, url);
        candidate.search = '';
        if (matchesList(normalizeUrl(candidate))) return candidate;
      }
      return undefined;
    },
    async check(bytes, url, context) {
      if (!minisign && isClearsigned(bytes)) return guarded(() => byClearsign(bytes, keys, context.now));
      for (const suffix of suffixes) {
        const signature = await context.companion(new URL(`${url.href}${suffix}`), maxSignatureBytes);
        if (signature) return checkWith(bytes, signature, context.now);
      }
      return `there is no signature beside it (${suffixes.join(', ')})`;
    },
    checkWith,
  };
}

async function guarded(check: () => Promise<VouchLink | string> | VouchLink | string): Promise<VouchLink | string> {
  try {
    return await check();
  } catch (error) {
    if (!(error instanceof FormatProblem) && !(error instanceof MinisignError)) throw error;
    return error instanceof FormatProblem ? `its signature ${error.message}` : `beside it is ${error.message}`;
  }
}

function byMinisign(bytes: Uint8Array, signature: Uint8Array, key: MinisignKey): VouchLink | string {
  const fault = minisignFault(bytes, signature, key);
  return fault === undefined
    ? { kind: 'key', id: key.id, name: `minisign key ${key.id}` }
    : `its signature does not count: ${fault}`;
}

async function byOpenPgp(bytes: Uint8Array, signature: Uint8Array, keys: () => Promise<KeyRing>, now: Date) {
  return named(await checkDetached(bytes, signature, await keys(), now));
}

async function byClearsign(bytes: Uint8Array, keys: () => Promise<KeyRing>, now: Date) {
  const { message } = await readClearsigned(bytes);
  return named(await checkClearsigned(message, await keys(), now));
}

function named(check: Awaited<ReturnType<typeof checkDetached>>): VouchLink | string {
  if (!check.valid) return `its signature does not count: ${check.reason}`;
  const [signer] = check.signers;
  return signer
    ? { kind: 'key', id: fingerprintOf(signer.key), name: nameOf(signer.key) }
    : 'its signature does not count';
}

function matchesAny(globs: readonly UrlGlob[], url: string): boolean {
  return globs.some((glob) => glob.matches(url));
}
