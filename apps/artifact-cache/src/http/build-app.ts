import { type FastifyInstance, fastify } from 'fastify';
import type { Serving } from '../serving/serving.js';
import { addErrorAnswers } from './answers.js';
import { addOpenApi } from './open-api.js';
import { addProbes } from './probes.js';
import { protocols } from './protocols.js';

/** Percent-encoded, a key of 1 024 characters can have twelve times as many. */
const maxParamLength = 13_000;

/**
 * All HTTP protocols behind one router, not listening: listeners pass requests on with `app.routing`. Bodies are left to the
 * routes: nothing is parsed or buffered unless a route asks for it.
 */
export async function buildApp(serving: Serving): Promise<FastifyInstance> {
  const app = fastify({
    logger: false,
    bodyLimit: serving.limits.maxMessageBytes,
    routerOptions: { maxParamLength },
    return503OnClosing: false,
  });
  addErrorAnswers(app, serving);
  await addOpenApi(app);
  addProbes(app, serving);
  for (const register of protocols) {
    // A scope each: what one does with bodies and errors is nothing to the others.
    await app.register(async (scope) => {
      await register(scope, serving);
    });
  }
  await app.ready();
  return app;
}
