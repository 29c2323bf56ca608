import type { FastifyInstance } from 'fastify';

/** Leaves the bodies of a scope's routes unread: `request.raw` is the stream. */
export function leaveBodiesUnread(app: FastifyInstance): void {
  app.removeAllContentTypeParsers();
  app.addContentTypeParser('*', (_request, _payload, done) => done(null));
}
