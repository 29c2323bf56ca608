import type { FastifyInstance } from 'fastify';
import { messageOf } from '../errors.js';
import type { ControlContext } from './context.js';
import { addResource, route, text } from './resource.js';

/** `/healthz`, `/readyz`, `/metrics` and `/ca.pem`: open, and no use of the daemon. */
export function addProbes(app: FastifyInstance, { checkReady, metrics, caPem, logger }: ControlContext): void {
  const open = { method: 'GET', isOpen: true, isProbe: true } as const;
  addResource(app, '/healthz', [
    route({
      ...open,
      summary: 'Whether the process answers',
      handle: async (_request, reply) => text(reply, 200, 'ok\n'),
    }),
  ]);
  addResource(app, '/readyz', [
    route({
      ...open,
      summary: 'Whether sessions can be served now: 503 when not',
      async handle(_request, reply) {
        try {
          await checkReady();
          return text(reply, 200, 'ok\n');
        } catch (cause) {
          logger.warn({ error: messageOf(cause) }, 'not ready');
          return text(reply, 503, 'not ready; the log says why\n');
        }
      },
    }),
  ]);
  addResource(app, '/metrics', [
    route({
      ...open,
      summary: 'Counters in the text format of Prometheus',
      async handle(_request, reply) {
        const { contentType, body } = await metrics.text();
        return reply.type(contentType).send(body);
      },
    }),
  ]);
  addResource(app, '/ca.pem', [
    route({
      ...open,
      summary: 'Root certificate that clients of the proxy must trust',
      handle: async (_request, reply) => reply.type('application/x-pem-file').send(caPem()),
    }),
  ]);
}
