import type { ArtifactInspections, ArtifactView } from '@waybill/contracts';
import { decideArtifact } from '@waybill/policy';
import type { UpstreamAnswer } from '../answer.js';
import { artifactView } from '../artifact-view.js';
import type { ProxyContext } from '../context.js';
import type { Exchange } from '../exchange.js';
import { inspectCompanions } from './inspect-companions.js';
import { lendServices } from './inspection-services.js';
import type { Spooled } from './spool.js';

/**
 * Asks the inspectors about the body; undefined when it is no artifact. When they would refuse it on a list of catalogs that
 * has grown meanwhile, they are asked once more.
 *
 * @throws Stop when the exchange is broken off, or the session's trust cannot be looked up
 */
export async function inspectArtifact(
  exchange: Exchange,
  context: ProxyContext,
  { answer, spooled }: { readonly answer: UpstreamAnswer; readonly spooled: Spooled },
): Promise<ArtifactInspections | undefined> {
  const { request, admission } = exchange;
  exchange.reached('body');
  if (spooled.kind !== 'body' || !spooled.isArtifact || !request || !admission) return undefined;
  const { expansionFactor } = context.settings.limits;
  const view = artifactView(spooled.body, { request, answer, expansionFactor });
  const services = lendServices(exchange, context);
  let inspections = await ask(view);
  const isRefused = admission.result === 'Approved' && decideArtifact(admission, inspections).result === 'Rejected';
  if (isRefused && (await services.isOutdated())) inspections = await ask(view);
  services.check();
  exchange.inspections = inspections;
  await inspectCompanions(exchange, context, { artifact: view, services });
  services.check();
  return inspections;

  function ask(artifact: ArtifactView): Promise<ArtifactInspections> {
    const { inspectors } = exchange.activeSession;
    return exchange.unlessStopped(inspectors.inspectArtifact(artifact, exchange.claims, services));
  }
}
