import type { ArtifactView } from '@waybill/contracts';
import { decideArtifact, decideRequest } from '@waybill/policy';
import { artifactView } from '../artifact-view.js';
import type { ProxyContext } from '../context.js';
import type { Exchange } from '../exchange.js';
import type { LentServices } from './inspection-services.js';

/**
 * Looks at what was fetched for the inspectors as at any other download, so that the report has its metadata and who vouches
 * for it, and an index among it is trusted by its own merits.
 *
 * @param artifact what they were fetched for; with the others that were fetched for it, it is all that their inspectors may ask
 *   for (a signature is checked over the file it came with, a statement with the key that came along)
 * @throws Stop when the exchange is broken off
 */
export async function inspectCompanions(
  exchange: Exchange,
  context: ProxyContext,
  { artifact, services }: { readonly artifact: ArtifactView; readonly services: LentServices },
): Promise<void> {
  if (exchange.companions.length === 0) return;
  const { inspectors } = exchange.activeSession;
  const { expansionFactor } = context.settings.limits;
  const companion = async (url: URL, maxBytes: number) => {
    const sibling = exchange.companions.find(({ view }) => view.url.href === url.href)?.body;
    if (sibling) return sibling.size > maxBytes ? undefined : collect(sibling.open());
    const isArtifact = url.href === artifact.request.url.href && artifact.size <= maxBytes;
    return isArtifact ? collect(artifact.openRaw()) : undefined;
  };
  const own = { ...services, companion };
  for (const one of exchange.companions) {
    const { view: request, answer, body, claims } = one;
    const view = artifactView(body, { request, answer, expansionFactor });
    const inspections = await exchange.unlessStopped(inspectors.inspectArtifact(view, claims, own));
    const isClaimed = claims.some(({ inspection }) => inspection.opinion !== 'Unknown');
    const decision = decideArtifact(decideRequest(claims, request.normalizedUrl), inspections);
    one.verdict = { inspections, result: isClaimed ? decision.result : undefined };
  }
}

async function collect(stream: AsyncIterable<Buffer>): Promise<Uint8Array> {
  const parts: Buffer[] = [];
  for await (const part of stream) parts.push(part);
  return Buffer.concat(parts);
}
