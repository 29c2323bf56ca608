import { type StatusResponse, statusResponseSchema, toRfc3339 } from '@waybill/contracts';
import type { FastifyInstance } from 'fastify';
import type { ControlContext } from './context.js';
import { addResource, route } from './resource.js';

/** `GET /status`, open to everybody. specs/fetch-service.md §2.1 */
export function addStatus(app: FastifyInstance, { sessions, startedAt, createdCount, clock }: ControlContext): void {
  addResource(app, '/status', [
    route({
      method: 'GET',
      summary: 'What the service does now',
      isOpen: true,
      answer: statusResponseSchema,
      async handle(): Promise<StatusResponse> {
        const now = clock.now();
        return {
          uptime: seconds(startedAt, now),
          'start-time': toRfc3339(startedAt),
          'session-count': await createdCount(),
          'active-sessions': sessions.live().map((session) => ({
            'session-id': session.id,
            'start-time': toRfc3339(session.createdAt),
            policy: session.policy,
            age: seconds(session.createdAt, now),
            timeout: seconds(session.createdAt, session.expiresAt),
          })),
        };
      },
    }),
  ]);
}

function seconds(from: Date, to: Date): number {
  return Math.max(0, Math.floor((to.getTime() - from.getTime()) / 1000));
}
