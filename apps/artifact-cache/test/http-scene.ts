import { createHash } from 'node:crypto';
import { createMemoryCacheStore, type MemoryCacheStoreOptions } from '@waybill/cache-store';
import type { FastifyInstance, InjectOptions, LightMyRequestResponse } from 'fastify';
import { buildApp } from '../src/http/build-app.js';
import { createServing, tokenDigest } from '../src/serving/create-serving.js';
import type { Serving, ServingLimits } from '../src/serving/serving.js';

/** The HTTP protocols over a store in memory, with a token for each right in all namespaces, and one for nothing in particular. */
export interface HttpScene {
  readonly app: FastifyInstance;
  readonly serving: Serving;
  /** Calls as somebody; default the writer, undefined as nobody. */
  call(options: InjectOptions & { readonly as?: string | undefined }): Promise<LightMyRequestResponse>;
  close(): Promise<void>;
}

export async function createHttpScene(
  options: MemoryCacheStoreOptions & { readonly limits?: Partial<ServingLimits> } = {},
): Promise<HttpScene> {
  const store = createMemoryCacheStore(options);
  for (const [id, namespace, right] of [
    ['reader', '*', 'read'],
    ['writer', '*', 'write'],
    ['admin', '*', 'admin'],
    ['stranger', 'elsewhere', 'write'],
  ] as const) {
    await store.principals.add(
      { id, credential: { kind: 'token', value: tokenDigest(id) }, grants: [{ namespace, right }] },
      { principal: 'test' },
    );
  }
  const serving = createServing({ store, limits: options.limits });
  const app = await buildApp(serving);
  return {
    app,
    serving,
    call(request) {
      const { as = 'as' in request ? undefined : 'writer', ...rest } = request;
      const authorization = as === undefined ? {} : { authorization: `Bearer ${as}` };
      return app.inject({ ...rest, headers: { ...authorization, ...rest.headers } });
    },
    close: () => app.close(),
  };
}

export function sha256(bytes: string | Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex');
}

/** Value of a counter whose labels have these values. */
export async function metric(serving: Serving, name: string, ...values: string[]): Promise<number> {
  const lines = (await serving.metrics.registry.metrics()).split('\n');
  const line = lines.find(
    (text) => text.startsWith(`${name}{`) && values.every((value) => text.includes(`"${value}"`)),
  );
  return Number(line?.split(' ').at(-1) ?? 0);
}
