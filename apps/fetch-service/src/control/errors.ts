import { isWaybillError, type Logger, redactText } from '@waybill/contracts';
import type { FastifyError, FastifyInstance } from 'fastify';
import { FetchServiceError, type FetchServiceErrorCode, messageOf } from '../errors.js';
import { text } from './resource.js';

const statuses: Partial<Record<FetchServiceErrorCode, number>> = {
  FETCH_SESSION_UNKNOWN: 404,
  FETCH_TOKEN_WRONG: 400,
  FETCH_SESSION_OPEN: 400,
  FETCH_SESSION_LIVE: 409,
  FETCH_POLICY_INVALID: 400,
  FETCH_SECRET_INVALID: 400,
  FETCH_REQUEST_INVALID: 400,
};

/** Answers of the control API when something is refused or fails: short plain text. specs/fetch-service.md §2 */
export function addErrorAnswers(app: FastifyInstance, logger: Logger): void {
  app.setNotFoundHandler((_request, reply) => text(reply, 404, '404 Not Found'));
  app.setErrorHandler<FastifyError | Error>((error, request, reply) => {
    const status = error instanceof FetchServiceError ? statuses[error.code] : clientStatus(error);
    if (status) return text(reply, status, redactText(error.message));
    const code = isWaybillError(error) ? error.code : undefined;
    logger.error({ code, error, method: request.method, route: request.routeOptions.url }, 'a control request failed');
    // Ours say what happened (a full disk, a store that is gone); anything else could say too much.
    const detail = code ? `: ${redactText(messageOf(error))} (${code})` : '';
    return text(reply, 500, `500 Internal Server Error${detail}`);
  });
}

/** What the framework refuses on its own: a body that is too large, a broken request. */
function clientStatus(error: Error): number | undefined {
  const { statusCode } = error as FastifyError;
  return statusCode !== undefined && statusCode >= 400 && statusCode < 500 ? statusCode : undefined;
}
