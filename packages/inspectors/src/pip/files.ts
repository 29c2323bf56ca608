import { createHash } from 'node:crypto';
import { Readable } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import type {
  ArtifactInspection,
  ArtifactView,
  Digest,
  InspectionContext,
  InspectorsConfig,
  VouchLink,
} from '@waybill/contracts';
import { formatDigest } from '@waybill/contracts';
import { ArchiveError, type ArchiveLimits, archiveLimits } from '../archive/expand.js';
import { foundInstead } from '../has-digest.js';
import type { Inspector } from '../inspector.js';
import { type LockedPackages, lockedPackages } from '../lock-files/lock-files.js';
import { approved, pending, rejected, rejectedRequest } from '../opinions.js';
import {
  type CoreMetadata,
  distributionMetadata,
  identityFault,
  metadataBytes,
  readCoreMetadata,
} from './core-metadata.js';
import { locateFile, type PipIndex, type PlacedFile, pipIndexes } from './indexes.js';
import type { PythonFile } from './names.js';
import { type ListedFile, type ProjectPage, projectPageKind, projectScope, readProjectPage } from './project-page.js';
import { readSdist } from './sdist-archive.js';
import { originLink } from './simple-index.js';
import { readWheel } from './wheel-archive.js';

/** A page that lists the file. */
interface Voucher {
  readonly listed: ListedFile;
  readonly index: PipIndex;
  readonly link: VouchLink;
}

interface Settings {
  readonly limits: ArchiveLimits;
  readonly context: InspectionContext;
}

const pageBytes = 64 * 2 ** 20;

/** Wheels: the hash that the index lists, RECORD and the name inside. docs/inspectors/pip.wheel.md */
export function pipWheel(config: InspectorsConfig, limits = archiveLimits): Inspector<PlacedFile> {
  return fileInspector('pip.wheel', 'wheel', config, limits, async (artifact, { limits: bounds, context }) => {
    const content = await readWheel(artifact, { limits: bounds, signal: context.signal });
    return {
      metadata: content.metadata,
      type: 'application/x.python.wheel',
      notes: { files: content.files, 'parsed-record-entries': content.recordEntries },
    };
  });
}

/** Source archives: the hash that the index lists, and the name inside. docs/inspectors/pip.sdist.md */
export function pipSdist(config: InspectorsConfig, limits = archiveLimits): Inspector<PlacedFile> {
  return fileInspector('pip.sdist', 'sdist', config, limits, async (artifact, { limits: bounds, context }, file) => {
    const form = file.name.endsWith('.zip') ? 'zip' : 'tar';
    const metadata = await readSdist(artifact, form, { limits: bounds, signal: context.signal });
    return { metadata, type: 'application/x.python.sdist', notes: {} };
  });
}

/** Metadata files beside wheels and source archives. docs/inspectors/pip.metadata.md */
export function pipMetadata(config: InspectorsConfig, limits = archiveLimits): Inspector<PlacedFile> {
  return fileInspector('pip.metadata', 'metadata', config, limits, async (artifact) => {
    if (artifact.size > metadataBytes) throw new ArchiveError(`the metadata has more than ${metadataBytes} bytes`);
    const whole = await buffer(artifact.openRaw());
    const metadata = readCoreMetadata(whole, 'the metadata');
    return { metadata, type: 'application/x.python.metadata', notes: {} };
  });
}

interface Content {
  readonly metadata: CoreMetadata;
  readonly type: string;
  readonly notes: Readonly<Record<string, number>>;
}

function fileInspector(
  id: string,
  kind: PythonFile['kind'],
  config: InspectorsConfig,
  limits: ArchiveLimits,
  read: (artifact: ArtifactView, settings: Settings, file: PythonFile) => Promise<Content>,
): Inspector<PlacedFile> {
  const indexes = pipIndexes(config);
  const locked = lockedPackages(config);
  return {
    id,
    inspectRequest(request) {
      const placed = locateFile(indexes, request);
      if (placed?.file.kind !== kind) return undefined;
      const [first] = placed.file.candidates;
      const notes = {
        index: placed.indexes.map((index) => index.id).join(', '),
        file: placed.file.name,
        ...(first && { 'package-name': first.project }),
      };
      if (request.method !== 'GET' && request.method !== 'HEAD') {
        return rejectedRequest(`${request.method} of ${placed.file.name}: a build only reads files`, notes);
      }
      return pending(`${kind === 'metadata' ? 'metadata of ' : ''}${placed.file.name}`, placed, notes);
    },
    async vouchedDigests(_request, placed, context) {
      // Hashes of a requirements file are of any file of the project: too little to take another body for it.
      const vouchers = [...(await findVouchers(placed, context)), ...lockVouchers(placed, locked, 'file')];
      return vouchers.flatMap(({ listed, link }) => {
        const digests = digestsFor(kind, listed);
        const size = kind === 'metadata' ? undefined : listed.size;
        return digests.length > 0 ? [{ digests, ...(size !== undefined && { size }), vouchedBy: link }] : [];
      });
    },
    async inspectArtifact(artifact, placed, context) {
      if (!placed) return undefined;
      const listing = await findVouchers(placed, context);
      const pinning = kind === 'metadata' ? [] : lockVouchers(placed, locked, 'any');
      const known = [...pinning, ...listing];
      const early = await findMatch(artifact, kind, known);
      // Build tools come from outside the lock file.
      const fetched = early || listing.length > 0 ? [] : await fetchVouchers(placed, context);
      const vouchers = [...known, ...fetched];
      if (vouchers.length === 0) return notVouched(placed);
      const match = early ?? (await findMatch(artifact, kind, fetched));
      if (!match) return mismatch(artifact, kind, placed, vouchers);
      const { voucher, digest } = match;
      let content: Content;
      try {
        content = await read(artifact, { limits, context }, placed.file);
      } catch (error) {
        if (!(error instanceof ArchiveError)) throw error;
        return rejected(`${placed.file.name}: ${error.message}`);
      }
      const fault = identityFault(content.metadata, placed.file.candidates);
      if (fault) return rejected(`${placed.file.name}: ${fault}`);
      return approved(
        `${digest ? `${digest.algorithm} of ` : ''}${placed.file.name} as ${voucher.link.kind === 'digest' ? 'the lock file' : 'its index'} lists it, name and version match`,
        {
          metadata: { ...distributionMetadata(content.metadata), type: content.type },
          vouchedBy: [digest ? voucher.link : originLink(voucher.index)],
          annotations: {
            ...content.notes,
            ...(digest?.algorithm === 'sha1' && { 'weak-integrity': true }),
            ...(!digest && { 'hash-listed': false }),
            ...(voucher.listed.isYanked && { yanked: true }),
            ...(voucher.listed.provenance !== undefined && { provenance: voucher.listed.provenance }),
          },
        },
      );
    },
  };
}

/** What the session's pages say of a file, newest first. */
async function findVouchers({ file, indexes }: PlacedFile, context: InspectionContext): Promise<Voucher[]> {
  const vouchers: Voucher[] = [];
  for (const index of indexes) {
    for (const { project } of file.candidates) {
      const pages = await context.catalogs<ProjectPage>(projectScope(index.id, project));
      for (const { ref, value } of pages.toReversed()) {
        const listed = value.files.get(file.name);
        if (listed) vouchers.push({ listed, index, link: pageLink(ref.sha256, project) });
      }
    }
  }
  return vouchers;
}

/** What the configuration's lock files say of a file: of this very file, or of any of its project. */
function lockVouchers({ file, indexes }: PlacedFile, locked: LockedPackages, which: 'file' | 'any'): Voucher[] {
  const [index] = indexes;
  if (!index || file.kind === 'metadata') return [];
  return file.candidates
    .flatMap(({ project }) => locked.ofProject('pip', project))
    .filter((entry) => (entry.file === undefined ? which === 'any' : entry.file === file.name))
    .flatMap(({ digests, link }) =>
      digests.map((digest) => ({ listed: { digests: [digest], isYanked: false }, index, link })),
    );
}

/** Asks the index itself when the client did not: an install from a lock file never reads a page. */
async function fetchVouchers({ file, indexes }: PlacedFile, context: InspectionContext): Promise<Voucher[]> {
  for (const index of indexes) {
    for (const { project } of file.candidates) {
      const bytes = await context.companion(new URL(`${project}/`, index.url), pageBytes);
      const page = bytes && (await readEither(bytes));
      const listed = page?.files.get(file.name);
      if (!bytes || !listed) continue;
      const sha256 = createHash('sha256').update(bytes).digest('hex');
      return [{ listed, index, link: pageLink(sha256, project) }];
    }
  }
  return [];
}

async function readEither(bytes: Uint8Array): Promise<ProjectPage | undefined> {
  const form = bytes[0] === 0x7b ? 'json' : 'html';
  try {
    return await readProjectPage(Readable.from([Buffer.from(bytes)], { objectMode: false }), form);
  } catch {
    return undefined;
  }
}

function pageLink(sha256: string, project: string): VouchLink {
  return { kind: 'artifact', sha256, inspector: projectPageKind, name: `index of ${project}` };
}

/** What the body has to match; empty when the page lists a file, or that it has metadata, without a hash. */
function digestsFor(kind: PythonFile['kind'], listed: ListedFile): readonly Digest[] {
  if (kind !== 'metadata') return listed.digests;
  return typeof listed.metadata === 'object' ? [listed.metadata] : [];
}

/** The first voucher whose strongest digest the bytes have; metadata that is listed without a hash needs none. */
async function findMatch(
  artifact: ArtifactView,
  kind: PythonFile['kind'],
  vouchers: readonly Voucher[],
): Promise<{ readonly voucher: Voucher; readonly digest: Digest | undefined } | undefined> {
  for (const voucher of vouchers) {
    const [digest] = digestsFor(kind, voucher.listed);
    if (digest && (await hashOf(artifact, digest)) === digest.hex) return { voucher, digest };
    if (!digest && kind === 'metadata' && voucher.listed.metadata === true) return { voucher, digest: undefined };
  }
  return undefined;
}

async function hashOf(artifact: ArtifactView, { algorithm }: Digest): Promise<string | undefined> {
  if (algorithm === 'sha512') return artifact.digest('sha512');
  return algorithm === 'sha256' || algorithm === 'sha1' ? artifact.digests[algorithm] : undefined;
}

async function mismatch(
  artifact: ArtifactView,
  kind: PythonFile['kind'],
  { file }: PlacedFile,
  vouchers: readonly Voucher[],
): Promise<ArtifactInspection> {
  const [wanted] = vouchers.flatMap(({ listed }) => digestsFor(kind, listed).slice(0, 1));
  if (!wanted) {
    return rejected(`the index lists ${file.name} without a hash that counts (sha256 or stronger)`, {
      hint: 'pin the file under generic.files, or use an index that gives hashes',
    });
  }
  const found = await foundInstead(artifact, wanted);
  return rejected(`expected ${file.name} with ${formatDigest(wanted)}, found ${found}`, {
    hint: 'the file differs from what its index lists: do not use it, and tell whoever runs the index or mirror',
  });
}

function notVouched({ file, indexes }: PlacedFile): ArtifactInspection {
  const ids = indexes.map(({ id }) => id).join(', ');
  return rejected(`no page of ${ids} that this session trusts lists ${file.name}`, {
    hint: 'install through the configured index; a file that it does not list can be pinned under generic.files',
  });
}
