import { type RevokeResponse, revokeResponseSchema, toRfc3339 } from '@waybill/contracts';
import type { FastifyInstance } from 'fastify';
import { z } from 'zod';
import { FetchServiceError } from '../errors.js';
import { callerOf } from './authorize.js';
import type { ControlContext } from './context.js';
import { addResource, route } from './resource.js';
import { idOf } from './session.js';

const bodySchema = z.object({ token: z.string() });

/** `DELETE /session/<id>/token`: the token itself is the proof, no credentials. specs/fetch-service.md §2.3 */
export function addToken(app: FastifyInstance, { sessions, spoolRoot, clock, security }: ControlContext): void {
  addResource(app, '/session/:id/token', [
    route({
      method: 'DELETE',
      summary: 'Revoke a session token',
      isOpen: true,
      body: bodySchema,
      answer: revokeResponseSchema,
      async handle(request): Promise<RevokeResponse> {
        const session = await sessions.revoke(idOf(request), request.body.token).catch((cause: unknown) => {
          const code = cause instanceof FetchServiceError ? cause.code : undefined;
          if (code === 'FETCH_TOKEN_WRONG' || code === 'FETCH_SESSION_UNKNOWN') {
            const facts = { ...callerOf(request), reason: code, token_type: 'FETCH_SERVICE_SESSION' } as const;
            security.event('WARN', `authn_login_fail:${idOf(request)}`, 'a session token was refused', facts);
          }
          throw cause;
        });
        return {
          'session-id': session.id,
          'start-time': toRfc3339(session.createdAt),
          'end-time': toRfc3339(session.endedAt ?? clock.now()),
          'spool-path': spoolRoot,
        };
      },
    }),
  ]);
}
