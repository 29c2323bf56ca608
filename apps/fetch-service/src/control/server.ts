import { type FastifyInstance, fastify } from 'fastify';
import { addAuthorization } from './authorize.js';
import type { ControlContext } from './context.js';
import { addErrorAnswers } from './errors.js';
import { addEvents } from './events.js';
import { addJsonBodies, maxBodyBytes } from './json-body.js';
import { addOpenApi, addOpenApiDocument } from './open-api.js';
import { addProbes } from './probes.js';
import { clientAddress } from './resource.js';
import { addResources } from './resources.js';
import { addSession, addSessions } from './session.js';
import { addStatus } from './status.js';
import { addToken } from './token.js';

/** Time for a request to arrive whole. specs/fetch-service.md §2 */
const requestTimeoutMs = 30_000;
/** More are turned away: nobody who runs builds needs as many. */
const maxConnections = 1024;

/** The control API, not yet listening. */
export async function createControlServer(context: ControlContext): Promise<FastifyInstance> {
  const app = fastify({
    logger: false,
    bodyLimit: maxBodyBytes,
    requestTimeout: requestTimeoutMs,
    routerOptions: { maxParamLength: 200 },
    forceCloseConnections: 'idle',
    return503OnClosing: false,
  });
  app.server.maxConnections = maxConnections;
  addErrorAnswers(app, context.logger);
  addJsonBodies(app);
  addAuthorization(app, context);
  addAccounting(app, context);
  await addOpenApi(app);
  addStatus(app, context);
  addSessions(app, context);
  addSession(app, context);
  addToken(app, context);
  addResources(app, context);
  addEvents(app, context);
  addProbes(app, context);
  addOpenApiDocument(app);
  await app.ready();
  return app;
}

function addAccounting(app: FastifyInstance, { metrics, logger, isRetiring, onActivity }: ControlContext): void {
  app.addHook('onRequest', async (_request, reply) => {
    if (isRetiring()) reply.header('connection', 'close');
  });
  app.addHook('onResponse', async (request, reply) => {
    const { url: path = 'unmatched', config } = request.routeOptions;
    const { method } = request;
    metrics.request(path, method, reply.statusCode, reply.elapsedTime / 1000);
    if (config.isProbe) return;
    onActivity();
    logger.debug({ method, route: path, status: reply.statusCode, client: clientAddress(request) }, 'control request');
  });
}
