import type { FastifyInstance } from 'fastify';
import { leaveBodiesUnread } from '../http/stream-body.js';
import type { Serving } from '../serving/serving.js';
import { blobRoutes } from './blobs.js';
import { entryRoutes } from './entries.js';
import { addCommonRoutes, statisticsRoutes } from './namespaces.js';
import { addNamespaceRoutes } from './route.js';
import { uploadRoutes } from './uploads.js';

/** Our own protocol, `/v1`. docs/artifact-cache/api.md */
export function registerNative(app: FastifyInstance, serving: Serving): void {
  leaveBodiesUnread(app);
  const uploads = uploadRoutes(serving);
  app.addHook('onClose', () => uploads.close());
  addCommonRoutes(app, serving);
  const groups = [blobRoutes(serving), entryRoutes(serving), uploads.routes, statisticsRoutes(serving)];
  for (const routes of groups) addNamespaceRoutes(app, serving, routes);
}
