import type { FastifyInstance } from 'fastify';
import { leaveBodiesUnread } from '../http/stream-body.js';
import type { Serving } from '../serving/serving.js';
import { serveBazelHttp } from './bazel-http.js';
import { serveNx } from './nx.js';
import { prefixedPath } from './prefixed-path.js';

/**
 * Protocols whose clients put any path before their own, which names the namespace: Bazel's HTTP cache and Nx. They are found
 * by how a path ends, after all routes that know how theirs begin.
 */
export function registerPrefixed(app: FastifyInstance, serving: Serving): void {
  leaveBodiesUnread(app);
  app.route({
    method: ['GET', 'HEAD', 'PUT', 'POST', 'DELETE', 'PATCH'],
    url: '/*',
    handler: async (request, reply) => {
      const path = prefixedPath(request.raw.url ?? '');
      if (!path) return reply.callNotFound();
      await (path.protocol === 'nx' ? serveNx : serveBazelHttp)(serving, path, { request, reply });
      return reply;
    },
  });
}
