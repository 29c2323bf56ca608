import type { FastifyInstance } from 'fastify';
import type { ControlContext } from './context.js';
import { addResource, route } from './resource.js';
import { idOf } from './session.js';

/** `DELETE /resources/<id>`: 409 while the session still exists. specs/fetch-service.md §2.6 */
export function addResources(app: FastifyInstance, { sessions }: ControlContext): void {
  addResource(app, '/resources/:id', [
    route({
      method: 'DELETE',
      summary: 'Remove files, records and bodies of a session that is over',
      async handle(request, reply) {
        await sessions.deleteResources(idOf(request));
        return reply.send('');
      },
    }),
  ]);
}
