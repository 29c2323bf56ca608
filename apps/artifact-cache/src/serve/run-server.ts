import type { Logger } from '@waybill/contracts';
import type { LoadedConfig } from '../config/load-config.js';
import { messageOf } from '../errors.js';
import { createGrpcHandler } from '../grpc/grpc-handler.js';
import { buildApp } from '../http/build-app.js';
import { type Listener, openListener, type RequestHandler } from '../listen/listener.js';
import { openCache } from './open-cache.js';

/** Requests under way get so long when the server stops. */
const graceMs = 20_000;

/** A server that listens. */
export interface RunningServer {
  /** Where each listener is reached from this machine, in the order of the configuration. */
  readonly urls: readonly string[];
  /** Reads all certificates again; one that is no good is told of, and the earlier one stays. */
  reloadTls(): Promise<void>;
  /** Ends requests under way in bounded time, then closes the store. */
  stop(): Promise<void>;
}

/** Opens the cache and serves it; all protocols on each of the configured addresses. @throws whatever keeps it from serving */
export async function runServer({ config }: LoadedConfig, log: Logger): Promise<RunningServer> {
  const cache = await openCache(config, { log, maintenance: true });
  const stopping = new AbortController();
  const listeners: Listener[] = [];
  const app = await buildApp(cache.serving);
  const http: RequestHandler = (request, response) => app.routing(request as never, response as never);
  const grpc = createGrpcHandler(cache.serving, { shutdownSignal: stopping.signal });
  const stop = async () => {
    stopping.abort();
    await Promise.all(listeners.map((listener) => listener.close(graceMs)));
    await app.close();
    await cache.close();
  };
  try {
    for (const { address, tls, anonymous, certified } of config.listen) {
      const files = tls && {
        cert: tls.cert,
        key: tls.key,
        clientCa: tls['client-ca'],
        requireClient: tls['client-certificates'] === 'required',
      };
      listeners.push(await openListener({ ...address, rules: { anonymous, certified }, tls: files, http, grpc, log }));
    }
  } catch (cause) {
    await stop();
    throw cause;
  }
  return {
    urls: listeners.map(({ url }) => url),
    stop,
    async reloadTls() {
      for (const listener of listeners) {
        await listener.reloadTls().catch((cause: unknown) => {
          log.error(
            { error: messageOf(cause), url: listener.url },
            'the certificate was not replaced: the earlier one stays',
          );
        });
      }
    },
  };
}
