import swagger from '@fastify/swagger';
import type { FastifyInstance } from 'fastify';
import { jsonSchemaTransform, serializerCompiler } from 'fastify-type-provider-zod';
import { version } from '../version.js';

/** Collects the routes of `/v1` that are added after it; `GET /openapi.json` shows them. */
export async function addOpenApi(app: FastifyInstance): Promise<void> {
  app.setSerializerCompiler(serializerCompiler);
  await app.register(swagger, {
    openapi: {
      openapi: '3.1.0',
      info: {
        title: 'Waybill artifact-cache',
        description: 'Build outputs by cache key. Every refusal is a document with `error`, `message` and `hint`.',
        version,
      },
      components: {
        securitySchemes: { bearer: { type: 'http', scheme: 'bearer' }, basic: { type: 'http', scheme: 'basic' } },
      },
    },
    // What other protocols look like is described by those who made them.
    hideUntagged: true,
    transform: (input) => {
      const body = input.route.config?.bodySchema;
      return jsonSchemaTransform({ ...input, schema: { ...input.schema, ...(body ? { body } : {}) } });
    },
  });
  app.get('/openapi.json', async (_request, reply) =>
    reply.type('application/json; charset=utf-8').send(JSON.stringify(app.swagger())),
  );
}
