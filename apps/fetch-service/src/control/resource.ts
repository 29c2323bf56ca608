import type { FastifyInstance, FastifyReply, FastifyRequest, HTTPMethods } from 'fastify';
import type { ZodType } from 'zod';

/** Body of a request that shows no credentials: a token fits in many times over. */
const openBodyBytes = 16 * 1024;

const methods: readonly HTTPMethods[] = ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS'];

/** What a route's configuration says beside its schema. */
export interface RouteFlags {
  /** Reachable without credentials. */
  readonly isOpen?: boolean;
  /** Does not count as use of the daemon. */
  readonly isProbe?: boolean;
}

declare module 'fastify' {
  interface FastifyContextConfig extends RouteFlags {}
}

/** One method of a resource. */
export interface RouteOptions<Body> extends RouteFlags {
  readonly method: 'GET' | 'POST' | 'DELETE';
  readonly summary: string;
  readonly body?: ZodType<Body>;
  /** Shape of the 200 answer, for the API description. */
  readonly answer?: ZodType;
  handle(request: FastifyRequest & { body: Body }, reply: FastifyReply): Promise<unknown>;
}

/** Helps inference: each route has its own type of body. */
export function route<Body = unknown>(options: RouteOptions<Body>): RouteOptions<Body> {
  return options;
}

/**
 * Adds a resource as clients of the seed know it: with a trailing slash it redirects (301) to the path without, other methods
 * get 405. specs/fetch-service.md §2
 */
// biome-ignore lint/suspicious/noExplicitAny: routes of one resource have different bodies
export function addResource(app: FastifyInstance, url: string, routes: readonly RouteOptions<any>[]): void {
  for (const { method, summary, body, answer, handle, isOpen = false, isProbe = false } of routes) {
    app.route({
      method,
      url,
      config: { isOpen, isProbe },
      ...(isOpen && { bodyLimit: openBodyBytes }),
      schema: {
        summary,
        ...(body ? { body } : {}),
        ...(answer ? { response: { 200: answer } } : {}),
        security: isOpen ? [] : [{ basic: [] }],
      },
      handler: (request, reply) => handle(request as FastifyRequest & { body: unknown }, reply),
    });
  }
  const known = routes.flatMap(({ method }): HTTPMethods[] => (method === 'GET' ? ['GET', 'HEAD'] : [method]));
  const open = { config: { isOpen: true, isProbe: true }, schema: { hide: true }, bodyLimit: openBodyBytes };
  app.route({
    method: methods.filter((method) => !known.includes(method)),
    url,
    ...open,
    handler: (_request, reply) => text(reply.header('allow', known.join(', ')), 405, '405 Method Not Allowed'),
  });
  app.route({
    method: [...methods],
    url: `${url}/`,
    ...open,
    handler: (request, reply) => reply.redirect(request.url.replace(/\/(?=$|\?)/, ''), 301),
  });
}

/** A short plain answer, which is what errors are. */
export function text(reply: FastifyReply, status: number, body: string): FastifyReply {
  return reply.code(status).type('text/plain; charset=utf-8').send(body);
}

/** Who calls, IPv4 as people write it also where the socket speaks IPv6. */
export function clientAddress({ ip }: Pick<FastifyRequest, 'ip'>): string {
  return ip.replace(/^::ffff:(?=\d+\.)/, '');
}
