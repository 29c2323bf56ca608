import { createHash } from 'node:crypto';
import type {
  ArtifactInspection,
  ArtifactView,
  CatalogParser,
  Digest,
  InspectionContext,
  InspectorsConfig,
  VouchLink,
} from '@waybill/contracts';
import { formatDigest } from '@waybill/contracts';
import { normalizeUrl } from '@waybill/policy';
import { FormatProblem } from '../apt/format-problem.js';
import { decodedDigests, hasDigest } from '../has-digest.js';
import type { Inspector } from '../inspector.js';
import { offerWithValue } from '../offer.js';
import { approved, pending, rejected, rejectedRequest } from '../opinions.js';
import { readAtMost } from '../read-at-most.js';
import {
  type ChecksumList,
  checksumsKind,
  checksumsParser,
  maxListBytes,
  parseChecksums,
  textOfList,
} from './checksum-list.js';
import { type ChecksumSource, checksumSources } from './checksum-sources.js';

interface Expected {
  readonly kind: 'list' | 'signature' | 'file';
  readonly source: ChecksumSource;
  readonly list: URL;
}

/**
 * Signed lists of digests (`SHA256SUMS`), their signatures, and the files that they list. docs/inspectors/generic.checksums.md
 */
export function genericChecksums(config: InspectorsConfig): Inspector<Expected> {
  const sources = checksumSources(config);
  return {
    id: checksumsKind,
    catalogs: [checksumsParser as CatalogParser],
    inspectRequest({ url, normalizedUrl, method }) {
      if (sources.length === 0 || url.search !== '') return undefined;
      const expected = locate(sources, url, normalizedUrl);
      if (!expected) return undefined;
      const notes = { checksums: expected.source.id, list: expected.list.href };
      if (method !== 'GET' && method !== 'HEAD') return rejectedRequest(`expected GET, found ${method}`, notes);
      const what = { list: 'signed list of digests', signature: 'signature of a list', file: 'file of a signed list' };
      return pending(`${what[expected.kind]}: ${expected.source.id}`, expected, notes);
    },
    async vouchedDigests({ url }, expected, context) {
      if (expected.kind !== 'file') return [];
      const found = await findListed(url, expected, context);
      return found ? [{ digests: [found.digest], vouchedBy: found.link }] : [];
    },
    async inspectArtifact(artifact, expected, context) {
      if (!expected) return undefined;
      try {
        if (expected.kind === 'file') return await inspectFile(artifact, expected, context);
        const bytes = await readAtMost(artifact.open(), maxListBytes, FormatProblem);
        return expected.kind === 'list'
          ? await inspectList(bytes, artifact, expected, context)
          : await inspectSignature(bytes, expected, context);
      } catch (error) {
        if (!(error instanceof FormatProblem)) throw error;
        return rejected(`the list ${expected.list.href} ${error.message}`);
      }
    },
  };
}

function locate(sources: readonly ChecksumSource[], url: URL, normalizedUrl: string): Expected | undefined {
  for (const source of sources) {
    if (source.matchesList(normalizedUrl)) return { kind: 'list', source, list: url };
    const suffix = source.suffixes.find((end) => normalizedUrl.endsWith(end));
    const stem = suffix && normalizedUrl.slice(0, -suffix.length);
    if (stem && source.matchesList(stem)) {
      return { kind: 'signature', source, list: new URL(url.href.slice(0, -suffix.length)) };
    }
  }
  for (const source of sources) {
    const list = source.listFor(url, normalizedUrl);
    if (list) return { kind: 'file', source, list };
  }
  return undefined;
}

async function inspectList(
  bytes: Buffer,
  { request }: ArtifactView,
  { source, list }: Expected,
  context: InspectionContext,
): Promise<ArtifactInspection> {
  const signer = await source.check(bytes, list, context);
  if (typeof signer === 'string') return unsigned(source, list, signer);
  const value = parseChecksums(await textOfList(bytes));
  return approved(`a list of ${value.size} digests, signed by ${signer.name}`, {
    metadata: {
      type: 'application/x.generic.checksums',
      name: nameOf(request.url),
      vendor: request.url.hostname,
      description: 'signed list of digests',
    },
    vouchedBy: [signer],
    provides: [offerWithValue({ scope: scopeOf(list), kind: checksumsKind }, value)],
    annotations: { files: value.size },
  });
}

/** A signature says nothing by itself: it must be one of the list that lies beside it. */
async function inspectSignature(
  bytes: Buffer,
  { source, list }: Expected,
  context: InspectionContext,
): Promise<ArtifactInspection> {
  const whole = await context.companion(list, maxListBytes);
  if (!whole) return rejected(`there is no ${list.href} that this would be the signature of`);
  const signer = await source.checkWith(whole, bytes, context.now);
  if (typeof signer === 'string') return unsigned(source, list, signer);
  return approved(`signature of ${list.href} by ${signer.name}`, {
    metadata: { type: 'application/pgp-signature', name: `${nameOf(list)} signature`, vendor: list.hostname },
    vouchedBy: [signer],
  });
}

interface Found {
  readonly digest: Digest;
  readonly link: VouchLink;
}

async function inspectFile(
  artifact: ArtifactView,
  expected: Expected,
  context: InspectionContext,
): Promise<ArtifactInspection> {
  const { source, list } = expected;
  const { url } = artifact.request;
  const known = await findListed(url, expected, context);
  const found = known ?? (await fetchListed(url, expected, context));
  if (typeof found === 'string') return unsigned(source, list, found);
  if (!found) {
    return rejected(`the signed list ${list.href} does not list ${relativeName(url, list)}`, {
      hint: `pin the file under generic.files, or see whether ${source.id} names the right list`,
    });
  }
  const isIt = (await hasDigest(artifact, found.digest)) || (await isDecoded(artifact, found.digest));
  if (!isIt) {
    return rejected(`expected ${formatDigest(found.digest)}, found sha256:${artifact.digests.sha256}`, {
      hint: 'the file differs from what its signed list says: do not use it, and tell whoever publishes it',
    });
  }
  return approved(`${found.digest.algorithm} as the signed list ${nameOf(list)} has it`, {
    metadata: { name: nameOf(url), vendor: url.hostname },
    vouchedBy: [found.link],
    annotations: { list: list.href },
  });
}

async function isDecoded(artifact: ArtifactView, digest: Digest): Promise<boolean> {
  return artifact.contentEncoding !== undefined && hasDigest(await decodedDigests(artifact), digest);
}

/** What the session's lists say of a file, the newest first. */
async function findListed(url: URL, { list }: Expected, context: InspectionContext): Promise<Found | undefined> {
  for (const { ref, value } of (await context.catalogs<ChecksumList>(scopeOf(list))).toReversed()) {
    const digest = value.get(relativeName(url, list));
    const { sha256, inspector } = ref;
    if (digest) return { digest, link: { kind: 'artifact', sha256, inspector, name: nameOf(list) } };
  }
  return undefined;
}

/** Asks for the list itself when the client did not; a text says why it does not count. */
async function fetchListed(
  url: URL,
  { source, list }: Expected,
  context: InspectionContext,
): Promise<Found | string | undefined> {
  const bytes = await context.companion(list, maxListBytes);
  if (!bytes) return 'it could not be fetched';
  const signer = await source.check(bytes, list, context);
  if (typeof signer === 'string') return signer;
  const value = parseChecksums(await textOfList(Buffer.from(bytes)));
  const digest = value.get(relativeName(url, list));
  const sha256 = createHash('sha256').update(bytes).digest('hex');
  return digest && { digest, link: { kind: 'artifact', sha256, inspector: checksumsKind, name: nameOf(list) } };
}

function unsigned(source: ChecksumSource, list: URL, why: string): ArtifactInspection {
  return rejected(`the list ${list.href} proves nothing: ${why}`, {
    hint: `compare the key of ${source.id} with the publisher's, or pin the file under generic.files`,
  });
}

function scopeOf(list: URL): string {
  return `${checksumsKind}:${normalizeUrl(list)}`;
}

/** As the list names it: relative to its own directory; elsewhere the file's name alone. */
function relativeName(url: URL, list: URL): string {
  const directory = list.pathname.slice(0, list.pathname.lastIndexOf('/') + 1);
  const isBelow = url.origin === list.origin && url.pathname.startsWith(directory);
  return isBelow ? decoded(url.pathname.slice(directory.length)) : nameOf(url);
}

function nameOf(url: URL): string {
  return decoded(url.pathname.slice(url.pathname.lastIndexOf('/') + 1));
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}
