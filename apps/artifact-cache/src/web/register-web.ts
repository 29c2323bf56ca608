import type { FastifyInstance } from 'fastify';
import { AccessError } from '../errors.js';
import { callerOf } from '../http/caller.js';
import type { Serving } from '../serving/serving.js';
import { contentSecurityPolicy, renderPage } from './page.js';

const newest = 25;
/** Audit records that are looked through for them. */
const lookedThrough = 500;

/** A page for people at `/`: what the caller may read, and nothing to press. */
export function registerWeb(app: FastifyInstance, serving: Serving): void {
  app.route({
    method: 'GET',
    url: '/',
    schema: { hide: true },
    async handler(request, reply) {
      const caller = await callerOf(serving, request);
      if (caller.open === 'none' && caller.grants.length === 0) {
        throw new AccessError('UNAUTHENTICATED', 'nothing is open to everybody here', {
          hint: 'log in with any name and a token as the password',
        });
      }
      const may = (namespace: string) => serving.may(caller, namespace, 'read');
      const [usage, records] = await Promise.all([
        serving.store.usage(),
        serving.store.audit({ limit: lookedThrough }),
      ]);
      const page = renderPage({
        principal: caller.principal,
        namespaces: usage
          .filter(({ namespace }) => may(namespace))
          .map((one) => ({ usage: one, spans: serving.metrics.history(one.namespace) })),
        written: records
          .filter(({ action, namespace }) => (action === 'publish' || action === 'replace') && may(namespace))
          .slice(0, newest),
        now: new Date(),
        ...serving.links,
      });
      return reply
        .type('text/html; charset=utf-8')
        .headers({
          'content-security-policy': contentSecurityPolicy,
          'x-content-type-options': 'nosniff',
          'referrer-policy': 'no-referrer',
          'cache-control': 'no-store',
        })
        .send(page);
    },
  });
}
