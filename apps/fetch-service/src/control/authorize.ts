import type { IncomingHttpHeaders } from 'node:http';
import type { FastifyInstance, FastifyRequest } from 'fastify';
import type { SecurityFacts } from '../logs/security-log.js';
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
    if (request.routeOptions.config.isOpen || request.is404) return;
    const facts = callerOf(request);
    if (!credentials) {
      const page = webPageBehind(request.headers);
      if (page === undefined) return;
      security.event('WARN', 'authn_login_fail:', 'a call out of a web page was refused', { ...facts, reason: page });
      return text(reply, 403, `403 Forbidden: without credentials this API takes no calls of web pages (${page})`);
    }
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

/** Who calls, for the security log. */
export function callerOf(request: FastifyRequest): SecurityFacts {
  return {
    client_ip: clientAddress(request),
    user_agent: request.headers['user-agent'],
    request_url: request.url,
  };
}

/**
 * What shows that a browser calls for a page, or undefined. Every page may have the browser of somebody on this machine send a
 * POST to loopback, and one that gives its name the address 127.0.0.1 (DNS rebinding) may read the answer as well; loopback
 * alone keeps neither out.
 */
export function webPageBehind(headers: IncomingHttpHeaders): string | undefined {
  if (headers.origin !== undefined) return 'it has an Origin field';
  const site = headers['sec-fetch-site'];
  if (site !== undefined && site !== 'none') return 'it has a Sec-Fetch-Site field';
  const name = (headers.host ?? '').toLowerCase().replace(/:\d+$/, '');
  if (name === 'localhost' || name === '[::1]' || /^127(\.\d{1,3}){3}$/.test(name)) return undefined;
  return 'its Host field names another host than this one';
}
