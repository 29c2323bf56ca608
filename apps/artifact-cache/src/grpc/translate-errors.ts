import { Code, type ConnectError, type Interceptor } from '@connectrpc/connect';
import type { CacheProtocol } from '../serving/cache-metrics.js';
import type { Serving } from '../serving/serving.js';
import { refusalCode, toConnectError } from './status.js';

/** The edge: what handlers throw becomes a status, is counted, and when it is our bug or our trouble it is logged. */
export function translateErrors({ log, metrics }: Serving): Interceptor {
  const translate = (cause: unknown, service: string, signal: AbortSignal): ConnectError => {
    const error = toConnectError(cause);
    if (signal.aborted) return error;
    if (error.code === Code.Internal || error.code === Code.Unavailable)
      log.error({ err: cause, service }, 'a gRPC call failed');
    if (error.code !== Code.NotFound) metrics.refused(protocolOf(service), refusalCode(cause));
    return error;
  };
  return (next) => async (request) => {
    const { typeName } = request.service;
    try {
      const response = await next(request);
      if (!response.stream) return response;
      const message = translated(response.message, (cause) => translate(cause, typeName, request.signal));
      return { ...response, message };
    } catch (cause) {
      throw translate(cause, typeName, request.signal);
    }
  };
}

async function* translated<Message>(messages: AsyncIterable<Message>, translate: (cause: unknown) => ConnectError) {
  try {
    yield* messages;
  } catch (cause) {
    throw translate(cause);
  }
}

function protocolOf(service: string): CacheProtocol {
  if (service.includes('.asset.')) return 'asset';
  return service.startsWith('buildstream.') ? 'reference' : 'reapi';
}
