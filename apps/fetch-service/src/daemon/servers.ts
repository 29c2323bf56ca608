import { createProxy, type ProxyOptions, type ProxyServer } from '@waybill/proxy';
import type { FastifyInstance } from 'fastify';
import { allInterfaces, listenError } from './listen.js';
import type { ListenOptions } from './serve-options.js';

/** How long connections may take to end when the daemon stops. */
const controlGraceMs = 3_000;

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

/** Lets answers that are on their way finish, for a while. */
export async function closeControl(app: FastifyInstance): Promise<void> {
  const timer = setTimeout(() => app.server.closeAllConnections(), controlGraceMs);
  await app.close();
  clearTimeout(timer);
}
