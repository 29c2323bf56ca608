import swagger from '@fastify/swagger';
import type { FastifyInstance } from 'fastify';
import { jsonSchemaTransform, serializerCompiler } from 'fastify-type-provider-zod';
import { version } from '../version.js';
import { addResource, route } from './resource.js';

/** Collects the routes that are added after it; `GET /openapi.json` shows them. */
export async function addOpenApi(app: FastifyInstance): Promise<void> {
  app.setSerializerCompiler(serializerCompiler);
  await app.register(swagger, {
    openapi: {
      openapi: '3.1.0',
      info: {
        title: 'Waybill fetch-service control API',
        description: 'Sessions of the recording proxy. Errors are short plain text.',
        version,
      },
      components: { securitySchemes: { basic: { type: 'http', scheme: 'basic' } } },
    },
    transform: jsonSchemaTransform,
  });
}

/** `GET /openapi.json`. */
export function addOpenApiDocument(app: FastifyInstance): void {
  addResource(app, '/openapi.json', [
    route({
      method: 'GET',
      summary: 'This description',
      isOpen: true,
      isProbe: true,
      handle: async (_request, reply) =>
        reply.type('application/json; charset=utf-8').send(JSON.stringify(app.swagger())),
    }),
  ]);
}
