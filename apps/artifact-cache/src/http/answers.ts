import { CacheStoreError, type CacheStoreErrorCode } from '@waybill/cache-store';
import { type CacheError, isWaybillError, redactText } from '@waybill/contracts';
import type { FastifyError, FastifyInstance } from 'fastify';
import { AccessError, ArtifactCacheError, type ArtifactCacheErrorCode } from '../errors.js';
import type { Serving } from '../serving/serving.js';

const statuses: Readonly<Record<CacheStoreErrorCode, number>> = {
  CACHE_NAMESPACE_UNKNOWN: 404,
  CACHE_NAMESPACE_INVALID: 400,
  CACHE_KEY_INVALID: 400,
  CACHE_BLOB_MISSING: 409,
  CACHE_BLOB_MISMATCH: 400,
  CACHE_BLOB_TOO_LARGE: 413,
  CACHE_RANGE_INVALID: 416,
  CACHE_FULL: 507,
  CACHE_READ_ONLY: 403,
  CACHE_PRINCIPAL_EXISTS: 409,
  CACHE_CLOSED: 503,
};

const ownStatuses: Partial<Record<ArtifactCacheErrorCode, number>> = {
  SERVER_REQUEST_INVALID: 400,
  SERVER_REQUEST_TIMEOUT: 408,
  SERVER_NOT_FOUND: 404,
  SERVER_UPLOAD_UNKNOWN: 404,
  SERVER_UPLOAD_OFFSET: 409,
};

/** Status of a refusal; undefined for what is no refusal but a failure. */
export function statusOf(error: unknown): number | undefined {
  if (error instanceof AccessError) return error.code === 'UNAUTHENTICATED' ? 401 : 403;
  if (error instanceof CacheStoreError) return statuses[error.code];
  if (error instanceof ArtifactCacheError) return ownStatuses[error.code];
  if (isWaybillError(error) && (error.code === 'STORE_FULL' || error.code === 'BLOB_STORAGE_FULL')) return 507;
  const { statusCode } = error as Partial<FastifyError>;
  return statusCode !== undefined && statusCode >= 400 && statusCode < 500 ? statusCode : undefined;
}

/** What is told about anything thrown, as `cacheErrorSchema` has it. Failures of ours say nothing but their code. */
export function errorDocument(error: unknown): CacheError {
  if (isWaybillError(error)) {
    const { code, message, hint } = error;
    return { error: code, message: redactText(message), ...(hint ? { hint: redactText(hint) } : {}) };
  }
  const status = statusOf(error);
  if (status === undefined) return { error: 'INTERNAL', message: 'the server failed; its log says why' };
  return {
    error: 'REQUEST_INVALID',
    message: redactText(error instanceof Error ? error.message : 'the request is invalid'),
  };
}

/** Answers errors as JSON. Protocols with rules of their own set another handler in their scope. */
export function addErrorAnswers(app: FastifyInstance, { log, metrics }: Pick<Serving, 'log' | 'metrics'>): void {
  app.setNotFoundHandler((_request, reply) =>
    reply.code(404).send({ error: 'NOT_FOUND', message: 'there is nothing at this address' }),
  );
  app.setErrorHandler((error, request, reply) => {
    if (reply.sent) return reply;
    const status = statusOf(error);
    if (isGone(error)) {
      // Nobody is left to be told; that clients go away is no failure of ours.
      log.debug({ method: request.method, route: request.routeOptions.url }, 'a client went away');
    } else if (status === undefined) {
      log.error({ error, method: request.method, route: request.routeOptions.url }, 'a request failed');
    }
    const document = errorDocument(error);
    if (status !== undefined) metrics.refused('native', document.error);
    // Without it browsers and some clients never ask for a password. Bearer would make Turborepo open a login page.
    if (status === 401) reply.header('www-authenticate', 'Basic realm="artifact-cache"');
    return reply
      .code(status ?? (isUnavailable(error) ? 503 : 500))
      .type('application/json; charset=utf-8')
      .send(document);
  });
}

/** The index or the bytes cannot be reached now: worth another try, which clients do after 503. */
function isUnavailable(error: unknown): boolean {
  return isWaybillError(error) && (error.code === 'STORE_UNAVAILABLE' || error.code === 'BLOB_STORAGE_FAILED');
}

function isGone(error: unknown): boolean {
  const { code } = error as NodeJS.ErrnoException;
  return code === 'ECONNRESET' || code === 'ERR_STREAM_PREMATURE_CLOSE' || code === 'ERR_HTTP2_STREAM_CANCEL';
}
