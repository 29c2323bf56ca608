import type { FastifyInstance, FastifyReply } from 'fastify';
import { messageOf } from '../errors.js';
import type { Serving } from '../serving/serving.js';
import { version } from '../version.js';

const startedAt = new Date();

/** `/healthz`, `/readyz`, `/metrics`, `/status`: open to all, and nothing of a namespace in them but its label. */
export function addProbes(app: FastifyInstance, { store, metrics, log }: Serving): void {
  const ready = async () => {
    // Asks the index; the principals are in it.
    await store.principals.find('token', '0'.repeat(64));
  };
  app.get('/healthz', async (_request, reply) => plain(reply, 200, 'ok\n'));
  app.get('/readyz', async (_request, reply) => {
    try {
      await ready();
      return plain(reply, 200, 'ok\n');
    } catch (cause) {
      log.warn({ error: messageOf(cause) }, 'not ready');
      return plain(reply, 503, 'not ready; the log says why\n');
    }
  });
  app.get('/metrics', async (_request, reply) =>
    reply.type(metrics.registry.contentType).send(await metrics.registry.metrics()),
  );
  app.get('/status', async () => ({
    service: 'artifact-cache',
    version,
    'started-at': startedAt.toISOString(),
    'uptime-seconds': Math.round(process.uptime()),
  }));
}

function plain(reply: FastifyReply, status: number, text: string): FastifyReply {
  return reply.code(status).type('text/plain; charset=utf-8').header('cache-control', 'no-store').send(text);
}
