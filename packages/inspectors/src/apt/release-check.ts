import { createHash } from 'node:crypto';
import type { CatalogRef, InspectionContext } from '@waybill/contracts';
import type { SuitePlace } from './apt-url.js';
import { decodeUtf8 } from './deb822.js';
import { releaseScope } from './index-check.js';
import { fingerprintOf, nameOf } from './key-ring.js';
import {
  checkClearsigned,
  checkDetached,
  clockSkewMs,
  maxSignatureBytes,
  readClearsigned,
  type SignatureCheck,
} from './open-pgp.js';
import { maxReleaseBytes, parseRelease, type ReleaseFile } from './release-file.js';
import { isFlatSuite } from './repositories.js';

const clearsigned = '-----BEGIN PGP SIGNED MESSAGE-----';

/** A key that signed, as reports show it. */
export interface NamedSigner {
  /** Of the primary key, upper-case hex. */
  readonly fingerprint: string;
  readonly name: string;
  /** Fingerprint of the key or subkey that made the signature. */
  readonly signingKey: string;
}

export interface CheckedRelease {
  readonly ok: true;
  readonly release: ReleaseFile;
  readonly signers: readonly NamedSigner[];
  /** `clearsigned`, or the sha256 of the Release.gpg. */
  readonly bytesVerifiedBy: string;
}

export interface RefusedRelease {
  readonly ok: false;
  /** Annotation under which the reason is kept. */
  readonly kind: 'integrity errors' | 'file format errors' | 'freshness errors';
  readonly reason: string;
}

export interface ReleaseQuestion {
  /** Of the InRelease or Release. */
  readonly bytes: Buffer;
  readonly file: 'InRelease' | 'Release';
  readonly place: SuitePlace;
  readonly url: URL;
  readonly context: InspectionContext;
}

/**
 * Signature, required fields, suite and dates of an InRelease or Release file. A Release needs its Release.gpg at once, so
 * it is fetched as a companion.
 * @throws FormatProblem
 */
export async function checkReleaseFile(question: ReleaseQuestion): Promise<CheckedRelease | RefusedRelease> {
  const { bytes, file, place, context } = question;
  const signed = file === 'InRelease' ? await checkInline(question) : await checkCompanion(question);
  if (!signed.check.valid) {
    return {
      ok: false,
      kind: 'integrity errors',
      reason: `${file} of ${place.base} has no valid signature: ${signed.check.reason}; check public-key of apt.repositories.${place.repository.name}`,
    };
  }
  const isFlat = isFlatSuite(place.suite);
  const release = parseRelease(file === 'InRelease' ? signed.text : decodeUtf8(bytes), { isFlat });
  const fault = suiteFault(release, place) ?? freshnessFault(release, place, context.now);
  if (fault) return { ok: false, ...fault, reason: `${file} ${fault.reason}` };
  return { ok: true, release, signers: nameSigners(signed.check), bytesVerifiedBy: signed.by };
}

interface SignedText {
  readonly check: SignatureCheck;
  readonly text: string;
  readonly by: string;
}

async function checkInline({ bytes, place, context }: ReleaseQuestion): Promise<SignedText> {
  const { message, text } = await readClearsigned(bytes);
  return {
    check: await checkClearsigned(message, await place.repository.keys(), context.now),
    text,
    by: 'clearsigned',
  };
}

async function checkCompanion({ bytes, place, url, context }: ReleaseQuestion): Promise<SignedText> {
  const signature = await context.companion(sibling(url, 'Release.gpg'), maxSignatureBytes);
  if (!signature) {
    const reason = 'the mirror has no Release.gpg beside it, or it could not be fetched';
    return { check: { valid: false, reason }, text: '', by: '' };
  }
  const check = await checkDetached(bytes, signature, await place.repository.keys(), context.now);
  return { check, text: '', by: sha256(signature) };
}

export interface SignatureQuestion extends Omit<ReleaseQuestion, 'file'> {}

/**
 * A Release.gpg that the client asks for: it must be a signature of a Release that this session trusts, or of the one that
 * the mirror has now.
 * @throws FormatProblem
 */
export async function checkReleaseSignature({ bytes, place, url, context }: SignatureQuestion): Promise<
  | {
      readonly ok: true;
      readonly release: ReleaseFile;
      readonly releaseSha256: string;
      readonly signers: readonly NamedSigner[];
    }
  | { readonly ok: false; readonly reason: string }
> {
  const ring = await place.repository.keys();
  const reasons: string[] = [];
  for (const candidate of await releasesOf(place, url, context)) {
    const check = await checkDetached(candidate, bytes, ring, context.now);
    if (!check.valid) reasons.push(check.reason);
    else {
      const release = parseRelease(decodeUtf8(candidate), { isFlat: isFlatSuite(place.suite) });
      const fault = suiteFault(release, place) ?? freshnessFault(release, place, context.now);
      if (!fault) return { ok: true, release, releaseSha256: sha256(candidate), signers: nameSigners(check) };
      reasons.push(`the Release ${fault.reason}`);
    }
  }
  const why = reasons.length > 0 ? [...new Set(reasons)].join('; ') : 'there is no Release file beside it';
  return { ok: false, reason: `Release.gpg of ${place.base} is no valid signature of its Release: ${why}` };
}

/** Trusted Release files of the suite, newest first, or else the mirror's present one. */
async function releasesOf(place: SuitePlace, url: URL, context: InspectionContext): Promise<Buffer[]> {
  const catalogs = await context.catalogs<ReleaseFile>(releaseScope(place.origin, place.suite));
  const found: Buffer[] = [];
  for (const { ref } of catalogs.toReversed().filter(isDetached)) {
    const chunks: Buffer[] = [];
    for await (const chunk of context.openArtifact(ref.sha256)) chunks.push(chunk as Buffer);
    found.push(Buffer.concat(chunks));
  }
  if (found.length > 0) return found;
  const release = await context.companion(sibling(url, 'Release'), maxReleaseBytes);
  return release ? [Buffer.from(release)] : [];
}

function isDetached({ ref }: { readonly ref: CatalogRef }): boolean {
  return ref.url.endsWith('/Release');
}

/**
 * The text of a release that was checked before, out of its bytes alone.
 * @throws FormatProblem
 */
export async function readReleaseText(bytes: Buffer): Promise<string> {
  const isInline = bytes.subarray(0, clearsigned.length).toString('latin1') === clearsigned;
  return isInline ? (await readClearsigned(bytes)).text : decodeUtf8(bytes);
}

/** A signed release of another suite must not pass for this one: it could hold back security updates. */
function suiteFault({ suite, codename }: ReleaseFile, place: SuitePlace): Omit<RefusedRelease, 'ok'> | undefined {
  // A flat repository has one release at its place, and mostly no suite.
  if (isFlatSuite(place.suite)) return undefined;
  // `stable/updates` asks for the suite `stable`, as apt reads it.
  const asked = [place.suite, place.suite.slice(0, Math.max(0, place.suite.lastIndexOf('/')))];
  if (asked.includes(suite) || asked.includes(codename)) return undefined;
  return {
    kind: 'integrity errors',
    reason: `is of suite ${suite} (codename ${codename}), asked for was ${place.suite}: the mirror serves another suite's release`,
  };
}

function freshnessFault(
  { date, validUntil }: ReleaseFile,
  { repository }: SuitePlace,
  now: Date,
): Omit<RefusedRelease, 'ok'> | undefined {
  if (date.getTime() > now.getTime() + clockSkewMs) {
    return {
      kind: 'freshness errors',
      reason: `is dated ${date.toISOString()}, which is in the future; check this machine's clock`,
    };
  }
  if (validUntil && validUntil.getTime() < now.getTime() && !repository.allowExpired) {
    return {
      kind: 'freshness errors',
      reason: `expired at ${validUntil.toISOString()}: the mirror is stale or replays an old index; use a current mirror, or set allow-expired for apt.repositories.${repository.name}`,
    };
  }
  return undefined;
}

function nameSigners(check: SignatureCheck & { readonly valid: true }): NamedSigner[] {
  const found = new Map<string, NamedSigner>();
  for (const { key, signingKey } of check.signers) {
    const fingerprint = fingerprintOf(key);
    if (!found.has(fingerprint)) found.set(fingerprint, { fingerprint, name: nameOf(key), signingKey });
  }
  return [...found.values()];
}

function sibling(url: URL, file: string): URL {
  return new URL(file, url);
}

function sha256(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex');
}
