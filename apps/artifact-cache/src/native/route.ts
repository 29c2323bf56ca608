import type { CacheNamespace, CacheRight, CacheWriter } from '@waybill/cache-store';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import type { ZodType } from 'zod';
import { admit, writerOfRequest } from '../http/caller.js';
import type { Caller, Serving } from '../serving/serving.js';

/** What a route of a namespace works with, once the caller may. */
export interface NamespaceCall {
  readonly request: FastifyRequest;
  readonly reply: FastifyReply;
  readonly caller: Caller;
  readonly writer: CacheWriter;
  readonly namespace: CacheNamespace;
  /** The other parameter of the path, percent-decoded. */
  readonly name: string;
}

/** One method of a resource in a namespace. */
export interface NamespaceRoute {
  readonly method: 'GET' | 'HEAD' | 'PUT' | 'POST' | 'PATCH' | 'DELETE';
  /** Below `/v1/namespaces/:namespace`; its own parameter is called `name`. */
  readonly path: string;
  readonly right: CacheRight;
  readonly summary: string;
  readonly body?: ZodType | undefined;
  readonly answer?: ZodType | undefined;
  handle(call: NamespaceCall): Promise<unknown>;
}

/** Adds routes: who may not is refused before anything of the request is read. */
export function addNamespaceRoutes(app: FastifyInstance, serving: Serving, routes: readonly NamespaceRoute[]): void {
  for (const { method, path, right, summary, body, answer, handle } of routes) {
    app.route({
      method,
      url: `/v1/namespaces/:namespace${path}`,
      exposeHeadRoute: false,
      // Bodies are read by the routes; that there is one is for the description only.
      schema: {
        tags: ['v1'],
        summary,
        description: `Right: ${right}`,
        ...(answer ? { response: { 200: answer } } : {}),
      },
      config: { bodySchema: body },
      handler: async (request, reply) => {
        const { namespace: asked = '', name = '' } = request.params as { namespace?: string; name?: string };
        const caller = await admit(serving, request, asked, right);
        const namespace = serving.store.namespace(asked);
        return await handle({ request, reply, caller, writer: writerOfRequest(request, caller), namespace, name });
      },
    });
  }
}

declare module 'fastify' {
  interface FastifyContextConfig {
    /** Document that a route reads. */
    readonly bodySchema?: ZodType | undefined;
  }
}
