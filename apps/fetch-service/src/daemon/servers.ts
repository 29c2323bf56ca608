import { Server } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { createProxy, type ProxyOptions, type ProxyServer } from '@waybill/proxy';
import type { FastifyInstance } from 'fastify';
import { allInterfaces, listenError } from './listen.js';
import type { ListenOptions } from './serve-options.js';

/** How long answers may take to finish, unless somebody says otherwise. */
const controlGraceMs = 3_000;
const pollMs = 25;

/** Starts the proxy. @throws FetchServiceError FETCH_PORT_IN_USE, FETCH_LISTEN_FAILED */
export async function listenProxy(where: ListenOptions, options: Omit<ProxyOptions, 'listen'>): Promise<ProxyServer> {
  const host = where.host ?? (await allInterfaces());
  try {
    return await createProxy({ ...options, listen: { host, port: where.port } });
  } catch (cause) {
    if ((cause as { code?: unknown }).code !== 'PROXY_LISTEN_FAILED') throw cause;
    throw listenError(cause, { name: 'proxy', option: '--proxy' }, where, host);
  }
}

/** Starts the control API. @throws FetchServiceError FETCH_PORT_IN_USE, FETCH_LISTEN_FAILED */
export async function listenControl(
  app: FastifyInstance,
  where: ListenOptions,
): Promise<{ readonly host: string; readonly port: number }> {
  const host = where.host ?? (await allInterfaces());
  try {
    await app.listen({ host, port: where.port });
  } catch (cause) {
    throw listenError(cause, { name: 'control API', option: '--control' }, where, host);
  }
  const address = app.server.address();
  return { host, port: typeof address === 'object' && address ? address.port : where.port };
}

/**
 * Stops listening, keeps connections without request for `idleMs`, and lets answers that are on their way finish within
 * `graceMs`.
 */
export async function closeControl(
  app: FastifyInstance,
  { idleMs = 0, graceMs = controlGraceMs }: { readonly idleMs?: number; readonly graceMs?: number } = {},
): Promise<void> {
  const { server } = app;
  // Node's own `close` of an http server also ends its kept connections, on which a request may be on its way.
  if (idleMs > 0 && server.listening) Server.prototype.close.call(server);
  for (const began = performance.now(); performance.now() - began < Math.min(idleMs, graceMs); await sleep(pollMs)) {
    if ((await connectionsOf(server)) === 0) break;
  }
  const timer = setTimeout(() => server.closeAllConnections(), graceMs);
  await app.close();
  clearTimeout(timer);
}

function connectionsOf(server: Server): Promise<number> {
  return new Promise((resolve) => server.getConnections((error, count) => resolve(error ? 0 : count)));
}
