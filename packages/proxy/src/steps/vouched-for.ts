import type { VouchedDigest } from '@waybill/contracts';
import type { ProxyContext } from '../context.js';
import type { Exchange } from '../exchange.js';
import { lendServices } from './inspection-services.js';

/**
 * What this session vouches for the body of the request, looked up once per exchange.
 * @param mayFetch whether inspectors may fetch a companion to know it
 */
export function vouchedFor(
  exchange: Exchange,
  context: ProxyContext,
  { mayFetch = false }: { readonly mayFetch?: boolean } = {},
): Promise<readonly VouchedDigest[]> {
  exchange.vouched ??= lookUp(exchange, context, mayFetch);
  return exchange.vouched;
}

async function lookUp(exchange: Exchange, context: ProxyContext, mayFetch: boolean): Promise<readonly VouchedDigest[]> {
  const { request, claims, activeSession } = exchange;
  if (!request) return [];
  const services = lendServices(exchange, context, { mayFetch });
  return await exchange.unlessStopped(activeSession.inspectors.vouchedDigests(request, claims, services));
}
