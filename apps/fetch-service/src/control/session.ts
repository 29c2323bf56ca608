import { Readable } from 'node:stream';
import { createSessionRequestSchema, createSessionResponseSchema, sessionReportSchema } from '@waybill/contracts';
import type { FastifyInstance, FastifyRequest } from 'fastify';
import { sessionReportText } from '../report/session-report.js';
import { type ControlContext, toPolicy } from './context.js';
import { addResource, route } from './resource.js';

/** `POST /session`. specs/fetch-service.md §2.2 */
export function addSessions(app: FastifyInstance, { sessions }: ControlContext): void {
  addResource(app, '/session', [
    route({
      method: 'POST',
      summary: 'Create a session',
      body: createSessionRequestSchema,
      answer: createSessionResponseSchema,
      handle: ({ body }) =>
        sessions.create({
          policy: toPolicy(body.policy),
          timeoutSeconds: body.timeout,
          secrets: body.secrets,
          sections: body['inspectors-configuration'],
        }),
    }),
  ]);
}

/** `GET` and `DELETE /session/<id>`. specs/fetch-service.md §2.4, §2.5 */
export function addSession(app: FastifyInstance, { sessions }: ControlContext): void {
  addResource(app, '/session/:id', [
    route({
      method: 'GET',
      summary: 'Report of a session whose token is revoked or whose time is over',
      answer: sessionReportSchema,
      async handle(request, reply) {
        const report = await begun(sessionReportText(await sessions.report(idOf(request))));
        return reply.type('application/json; charset=utf-8').send(Readable.from(report, { objectMode: false }));
      },
    }),
    route({
      method: 'DELETE',
      summary: 'End a session: write its files to the spool and forget its token',
      async handle(request, reply) {
        await sessions.end(idOf(request));
        return reply.send('');
      },
    }),
  ]);
}

/** The `:id` of a route. */
export function idOf(request: FastifyRequest): string {
  return (request.params as { readonly id?: string }).id ?? '';
}

/** Reads the first piece already, so that a store which cannot be read is an error answer and not a broken 200. */
async function begun(pieces: AsyncGenerator<string>): Promise<AsyncGenerator<string>> {
  const first = await pieces.next();
  return (async function* () {
    if (!first.done) yield first.value;
    yield* pieces;
  })();
}
