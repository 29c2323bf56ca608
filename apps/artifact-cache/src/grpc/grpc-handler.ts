import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Http2ServerRequest, Http2ServerResponse } from 'node:http2';
import { Code, ConnectError, type ConnectRouter, createConnectRouter, createContextValues } from '@connectrpc/connect';
import {
  compressionGzip,
  universalRequestFromNodeRequest,
  universalResponseToNodeResponse,
} from '@connectrpc/connect-node';
import { Fetch, Push } from '../gen/build/bazel/remote/asset/v1/remote_asset_pb.js';
import {
  ActionCache,
  Capabilities,
  ContentAddressableStorage,
} from '../gen/build/bazel/remote/execution/v2/remote_execution_pb.js';
import { ReferenceStorage } from '../gen/buildstream/v2/reference_storage_pb.js';
import { ByteStream } from '../gen/google/bytestream/bytestream_pb.js';
import { Health } from '../gen/grpc/health/v1/health_pb.js';
import { credentialsOf } from '../http/arrivals.js';
import type { Serving } from '../serving/serving.js';
import { createActionCache } from './action-cache.js';
import { createByteStream } from './byte-stream.js';
import { credentialsKey } from './calls.js';
import { createCapabilities } from './capabilities.js';
import { createContentAddressableStorage } from './content-addressable-storage.js';
import { createHealth } from './health.js';
import { createReferenceStorage } from './reference-storage.js';
import { createFetch, createPush } from './remote-asset.js';
import { translateErrors } from './translate-errors.js';

/** Bytes of one message that are read; clients with larger batches than we announce get a status, not a broken connection. */
const maxMessageBytes = 16 * 1024 ** 2;

type GrpcRequest = IncomingMessage | Http2ServerRequest;
type GrpcResponse = ServerResponse | Http2ServerResponse;

/** Options for the gRPC handler. */
export interface GrpcHandlerOptions {
  /** Ends calls that last (health watches) when the server stops. */
  readonly shutdownSignal?: AbortSignal | undefined;
}

/**
 * Answers requests whose content type is that of gRPC (or gRPC-Web): the Remote Execution API without execution, the Remote Asset
 * API, ByteStream, BuildStream's references, and health checks. Never throws; listeners pass requests on and forget them.
 */
export function createGrpcHandler(
  serving: Serving,
  { shutdownSignal }: GrpcHandlerOptions = {},
): (request: GrpcRequest, response: GrpcResponse) => void {
  const router = createConnectRouter({
    connect: false,
    interceptors: [translateErrors(serving)],
    readMaxBytes: Math.max(maxMessageBytes, serving.limits.maxMessageBytes),
    acceptCompression: [compressionGzip],
    // Blobs are compressed already or asked for as zstd; gzip on top would cost more than it saves.
    compressMinBytes: Number.MAX_SAFE_INTEGER,
    ...(shutdownSignal ? { shutdownSignal } : {}),
  });
  registerServices(router, serving);
  const handlers = new Map(router.handlers.map((handler) => [handler.requestPath, handler]));
  return (request, response) => {
    const handler = handlers.get(request.url?.split('?', 1)[0] ?? '');
    if (!handler) {
      answerUnimplemented(request, response);
      return;
    }
    const answer = async () => {
      const values = createContextValues().set(credentialsKey, credentialsOf(request));
      const universal = universalRequestFromNodeRequest(request, response, undefined, values);
      await universalResponseToNodeResponse(await handler(universal), response);
    };
    answer().catch((cause: unknown) => {
      // The client went away, or sent what is no HTTP: nobody is left to be told.
      serving.log.debug({ code: Code[ConnectError.from(cause).code], path: request.url }, 'a gRPC call was cut off');
      response.destroy();
    });
  };
}

function registerServices(router: ConnectRouter, serving: Serving): void {
  router.service(Capabilities, createCapabilities(serving));
  router.service(ContentAddressableStorage, createContentAddressableStorage(serving));
  router.service(ByteStream, createByteStream(serving));
  router.service(ActionCache, createActionCache(serving));
  router.service(Fetch, createFetch(serving));
  router.service(Push, createPush(serving));
  router.service(ReferenceStorage, createReferenceStorage(serving));
  const spoken = [Capabilities, ContentAddressableStorage, ByteStream, ActionCache, Fetch, Push, ReferenceStorage];
  router.service(Health, createHealth(spoken.map(({ typeName }) => typeName)));
}

/** Trailers only, as gRPC wants it also for what is not there. */
function answerUnimplemented(request: GrpcRequest, response: GrpcResponse): void {
  response.statusCode = 200;
  response.setHeader('content-type', request.headers['content-type'] ?? 'application/grpc');
  response.setHeader('grpc-status', String(Code.Unimplemented));
  response.setHeader('grpc-message', 'no such method');
  response.end();
}
