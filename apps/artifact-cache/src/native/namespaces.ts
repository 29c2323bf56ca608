import { cacheInfoSchema } from '@waybill/contracts';
import type { FastifyInstance } from 'fastify';
import { z } from 'zod';
import { callerOf } from '../http/caller.js';
import type { Serving } from '../serving/serving.js';
import { version } from '../version.js';
import { checkedValue } from './json-request.js';
import type { NamespaceRoute } from './route.js';

const auditQuerySchema = z.strictObject({
  principal: z.string().max(128).optional(),
  before: z.coerce.number().int().positive().optional(),
  limit: z.coerce.number().int().min(1).max(1000).default(100),
});

/** How full a namespace is, and what writers did in it. */
export function statisticsRoutes(serving: Serving): NamespaceRoute[] {
  return [
    {
      method: 'GET',
      path: '',
      right: 'read',
      summary: 'Size, quota and numbers of a namespace',
      handle: ({ namespace }) => namespace.usage(),
    },
    {
      method: 'GET',
      path: '/audit',
      right: 'admin',
      summary: 'What writers did, newest first',
      async handle({ request, namespace }) {
        const query = checkedValue(request.query, auditQuerySchema, 'query');
        return { records: await serving.store.audit({ ...query, namespace: namespace.name }) };
      },
    },
  ];
}

/** What is not of one namespace. */
export function addCommonRoutes(app: FastifyInstance, serving: Serving): void {
  app.route({
    method: 'GET',
    url: '/v1/info',
    schema: { tags: ['v1'], summary: 'Who answers, and what the caller may do', response: { 200: cacheInfoSchema } },
    async handler(request) {
      const { principal, grants, open } = await callerOf(serving, request);
      const { pullUrl, pushUrl } = serving.links;
      const everywhere = open === 'none' ? [] : [{ namespace: '*', right: open }];
      return {
        service: 'artifact-cache',
        version,
        ...(pullUrl ? { 'pull-url': pullUrl } : {}),
        ...(pushUrl ? { 'push-url': pushUrl } : {}),
        principal,
        grants: [...grants, ...everywhere],
        'max-batch': serving.limits.maxBatch,
        'max-blob-bytes': serving.limits.maxBlobBytes,
      };
    },
  });
  app.route({
    method: 'GET',
    url: '/v1/namespaces',
    schema: { tags: ['v1'], summary: 'Namespaces that the caller may read, with their size' },
    async handler(request) {
      const caller = await callerOf(serving, request);
      const usage = await serving.store.usage();
      return { namespaces: usage.filter(({ namespace }) => serving.may(caller, namespace, 'read')) };
    },
  });
}
