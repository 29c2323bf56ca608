import type { CacheRight, CacheWriter } from '@waybill/cache-store';
import type { FastifyRequest } from 'fastify';
import { type Caller, type Serving, writerOf } from '../serving/serving.js';
import { credentialsOf } from './arrivals.js';

/** Who calls, by what the request shows. @throws AccessError UNAUTHENTICATED */
export function callerOf(serving: Serving, request: FastifyRequest): Promise<Caller> {
  return serving.identify(credentialsOf(request.raw));
}

/**
 * Who calls, when they may.
 * @throws AccessError UNAUTHENTICATED, FORBIDDEN
 */
export async function admit(
  serving: Serving,
  request: FastifyRequest,
  namespace: string,
  right: CacheRight,
): Promise<Caller> {
  const caller = await callerOf(serving, request);
  serving.require(caller, namespace, right);
  return caller;
}

/** The writer behind a request, for the record. */
export function writerOfRequest(request: FastifyRequest, caller: Caller): CacheWriter {
  return writerOf(caller, request.headers['user-agent']);
}
