import type { FastifyInstance } from 'fastify';
import { errorDocument, statusOf } from '../http/answers.js';
import type { Serving } from '../serving/serving.js';

/**
 * Errors as Turborepo reads them: `{"error":{"code","message"}}`. On 403 it stops uploading for this run and goes on reading.
 * The codes `remote_caching_…` mean an account of the vendor's and are not used.
 */
export function addTurboErrors(app: FastifyInstance, { log, metrics }: Serving): void {
  app.setErrorHandler((error, request, reply) => {
    const status = statusOf(error) ?? 500;
    if (status >= 500)
      log.error({ error, method: request.method, route: request.routeOptions.url }, 'a request failed');
    const { error: stable, message, hint } = errorDocument(error);
    if (status !== 404) metrics.refused('turbo', stable);
    return reply
      .code(status)
      .type('application/json; charset=utf-8')
      .send({
        error: { code: codes[status] ?? stable.toLowerCase(), message: hint ? `${message}; ${hint}` : message },
      });
  });
}

const codes: Readonly<Record<number, string>> = {
  400: 'bad_request',
  401: 'unauthorized',
  403: 'forbidden',
  404: 'not_found',
  413: 'too_large',
  507: 'full',
};
