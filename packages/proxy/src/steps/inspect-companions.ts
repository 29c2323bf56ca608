import type { ArtifactView } from '@waybill/contracts';
import { decideArtifact, decideRequest } from '@waybill/policy';
import type { ProxyContext } from '../context.js';
import type { Exchange } from '../exchange.js';
import { artifactView } from '../spooled-body.js';
import type { LentServices } from './inspection-services.js';

/**
 * Looks at what was fetched for the inspectors as at any other download, so that the report has its metadata and who vouches
 * for it, and an index among it is trusted by its own merits.
 *
 * @param artifact what they were fetched for; their only companion (a signature is checked over the file it came with)
 * @throws Stop when the exchange is broken off
 */
export async function inspectCompanions(
  exchange: Exchange,
  context: ProxyContext,
  { artifact, services }: { readonly artifact: ArtifactView; readonly services: LentServices },
): Promise<void> {
  const { inspectors } = exchange.activeSession;
  const { expansionFactor } = context.settings.limits;
  const own = { ...services, companion: (url: URL, maxBytes: number) => bytesOf(artifact, url, maxBytes) };
  for (const companion of exchange.companions) {
    const { view: request, answer, body, claims } = companion;
    const view = artifactView(body, { request, answer, expansionFactor });
    const inspections = await exchange.unlessStopped(inspectors.inspectArtifact(view, claims, own));
    const isClaimed = claims.some(({ inspection }) => inspection.opinion !== 'Unknown');
    const decision = decideArtifact(decideRequest(claims, request.normalizedUrl), inspections);
    companion.verdict = { inspections, result: isClaimed ? decision.result : undefined };
  }
}

async function bytesOf(artifact: ArtifactView, url: URL, maxBytes: number): Promise<Uint8Array | undefined> {
  if (url.href !== artifact.request.url.href || artifact.size > maxBytes) return undefined;
  const parts: Buffer[] = [];
  for await (const part of artifact.openRaw() as AsyncIterable<Buffer>) parts.push(part);
  return Buffer.concat(parts);
}
