import type { FastifyInstance } from 'fastify';
import type { ControlContext } from './context.js';
import { claimedUser } from './credentials.js';
import { clientAddress, text } from './resource.js';

/** HTTP Basic on every route that is not open; the answer names no scheme (no `WWW-Authenticate`). specs/fetch-service.md §2 */
export function addAuthorization(
  app: FastifyInstance,
  context: Pick<ControlContext, 'credentials' | 'security'>,
): void {
  const { credentials, security } = context;
  app.addHook('onRequest', async (request, reply) => {
    if (request.routeOptions.config.isOpen || request.is404 || !credentials) return;
    const facts = {
      client_ip: clientAddress(request),
      user_agent: request.headers['user-agent'],
      request_url: request.url,
    };
    if (credentials.accepts(request.headers.authorization)) {
      security.event('INFO', `authn_login_success:${credentials.user}`, 'control API credentials were accepted', facts);
      if (request.method !== 'GET') {
        security.event(
          'WARN',
          `authz_admin:${credentials.user}, ${request.method} ${request.routeOptions.url}`,
          'an administrative call',
          facts,
        );
      }
      return;
    }
    const user = claimedUser(request.headers.authorization);
    security.event('WARN', `authn_login_fail:${user}`, 'control API credentials were refused', facts);
    return text(reply, 401, '401 Unauthorized');
  });
}
