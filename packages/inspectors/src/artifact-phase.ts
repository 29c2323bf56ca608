import {
  type ArtifactInspection,
  type ArtifactInspections,
  type ArtifactMetadata,
  type ArtifactView,
  type CatalogOffer,
  type CatalogRef,
  type Claim,
  emptyMetadata,
  type InspectionContext,
  type SessionPolicy,
  type VouchLink,
} from '@waybill/contracts';
import { contentEncodingAttribute } from './content-encoding.js';
import { type ContextOptions, openContext } from './context.js';
import { defaultInspectorId } from './default.js';
import type { Inspector } from './inspector.js';
import { offeredValue } from './offer.js';
import { claimantsOf, failure } from './request-phase.js';
import { sniffStream, sniffType } from './sniff.js';

/** One artifact and who is asked about it. */
export interface ArtifactQuestion {
  readonly inspectors: readonly Inspector[];
  readonly artifact: ArtifactView;
  readonly claims: readonly Claim[];
}

/**
 * Asks the inspectors that claimed the request (permissive: all) and puts together what they say. Only claimants vouch and
 * offer catalogs: in a permissive session others are asked for the record, but nothing is trusted on their word.
 * @see specs/fetch-service.md §4.2
 */
export async function inspectArtifact(
  question: ArtifactQuestion,
  options: ContextOptions,
): Promise<ArtifactInspections> {
  const { artifact } = question;
  const claimants = claimantsOf(question.claims);
  const opened = openContext(options);
  const inspections = new Map<string, ArtifactInspection>();
  let isDecided = false;
  try {
    for (const inspector of askedOf(question, claimants, options.services.policy)) {
      if (inspector.id === defaultInspectorId && isDecided) continue;
      const inspection = await opened.run((context) => ask(inspector, question, context)).catch(failure);
      if (!inspection) continue;
      inspections.set(inspector.id, inspection);
      isDecided ||= inspection.opinion !== 'Unknown';
    }
    const type = artifact.head
      ? sniffType(artifact.head)
      : await opened.run(() => sniff(artifact)).catch(() => 'application/octet-stream');
    return assemble({ ...question, inspections, type, claimants }, options);
  } finally {
    await opened.close();
  }
}

/** Permissive: all. Strict: the claimants, and the default inspector, in their order. */
function askedOf(
  { inspectors }: ArtifactQuestion,
  claimants: ReadonlySet<string>,
  policy: SessionPolicy,
): readonly Inspector[] {
  if (policy === 'permissive') return inspectors;
  return inspectors.filter(({ id }) => claimants.has(id) || id === defaultInspectorId);
}

async function ask(
  inspector: Inspector,
  { artifact, claims }: ArtifactQuestion,
  context: InspectionContext,
): Promise<ArtifactInspection | undefined> {
  const claim = claims.find((candidate) => candidate.inspector === inspector.id)?.inspection;
  return inspector.inspectArtifact(artifact, claim?.opinion === 'Pending' ? claim.expected : undefined, context);
}

/** The type of what is inside a Content-Encoding; of the bytes themselves when they cannot be decoded. */
async function sniff(artifact: ArtifactView): Promise<string> {
  try {
    return await sniffStream(artifact.open());
  } catch {
    return sniffStream(artifact.openRaw());
  }
}

interface Assembly extends ArtifactQuestion {
  readonly inspections: ReadonlyMap<string, ArtifactInspection>;
  readonly type: string;
  readonly claimants: ReadonlySet<string>;
}

function assemble(assembly: Assembly, { cache, parsers }: ContextOptions): ArtifactInspections {
  const { inspections, artifact, claimants } = assembly;
  const vouchedBy: VouchLink[] = [];
  const provides: CatalogRef[] = [];
  for (const [inspector, inspection] of inspections) {
    if (inspection.opinion === 'Rejected' || !claimants.has(inspector)) continue;
    for (const link of inspection.vouchedBy ?? []) if (!vouchedBy.some((l) => isSame(l, link))) vouchedBy.push(link);
    for (const offer of inspection.provides ?? []) {
      const ref = toRef(offer, inspector, inspection, artifact);
      const value = offeredValue(offer);
      const parser = parsers.get(ref.kind);
      if (value !== undefined && parser) cache.put(ref, parser, value);
      provides.push(ref);
    }
  }
  return { inspections, metadata: mergeMetadata(assembly), vouchedBy, provides };
}

/** Later inspectors override earlier ones field by field, claimants all others; digests and size are the bytes' own. */
function mergeMetadata({ inspections, artifact, type, claimants }: Assembly): ArtifactMetadata {
  const merged: Record<string, unknown> = { ...emptyMetadata(), type };
  for (const claimant of [false, true]) {
    for (const [inspector, { metadata }] of inspections) {
      if (!metadata || claimants.has(inspector) !== claimant) continue;
      for (const [key, value] of Object.entries(metadata)) if (value !== undefined && value !== '') merged[key] = value;
    }
  }
  const { sha1, sha256, sha512 = '' } = artifact.digests;
  return Object.assign(merged, { sha1, sha256, sha512, size: artifact.size }) as unknown as ArtifactMetadata;
}

function toRef(
  offer: CatalogOffer,
  inspector: string,
  inspection: ArtifactInspection,
  artifact: ArtifactView,
): CatalogRef {
  const { contentEncoding } = artifact;
  const attributes = { ...offer.attributes, ...(contentEncoding && { [contentEncodingAttribute]: contentEncoding }) };
  return {
    scope: offer.scope,
    kind: offer.kind,
    ...(Object.keys(attributes).length > 0 && { attributes }),
    sha256: artifact.digests.sha256,
    inspector,
    url: artifact.request.normalizedUrl,
    name: inspection.metadata?.name || offer.kind,
  };
}

function isSame(a: VouchLink, b: VouchLink): boolean {
  return JSON.stringify(a) === JSON.stringify(b);
}
