/** A gRPC handler behind a listener, and the client that most tools build on. */
import type { EventEmitter } from 'node:events';
import {
  create,
  type DescMessage,
  type DescMethodServerStreaming,
  type DescMethodUnary,
  type DescService,
  fromBinary,
  type MessageInitShape,
  type MessageShape,
  toBinary,
} from '@bufbuild/protobuf';
import { Client, credentials, Metadata, type ServiceError, type status } from '@grpc/grpc-js';
import { type CacheStore, createMemoryCacheStore, type MemoryCacheStoreOptions } from '@waybill/cache-store';
import { silentLogger } from '@waybill/contracts';
import { createGrpcHandler } from '../src/grpc/grpc-handler.js';
import { openListener } from '../src/listen/listener.js';
import type { TlsFiles } from '../src/listen/tls-listener.js';
import { createServing, tokenDigest } from '../src/serving/create-serving.js';
import type { OpenRight, ServingLimits } from '../src/serving/serving.js';

export interface GrpcScene extends AsyncDisposable {
  readonly store: CacheStore;
  readonly port: number;
  /** Paths of all calls so far. */
  readonly calls: string[];
  /** A client with a token, or without any. */
  client(token?: string): GrpcClient;
}

export interface SceneOptions extends MemoryCacheStoreOptions {
  readonly anonymous?: OpenRight;
  readonly limits?: Partial<ServingLimits>;
  readonly store?: CacheStore;
  /** Default true; false where the store has them from an earlier scene. */
  readonly addPrincipals?: boolean;
  readonly tls?: TlsFiles;
}

/** Tokens that are known: `writer` (namespaces main and team/*), `reader` (the same, to read). */
export async function createGrpcScene(options: SceneOptions = {}): Promise<GrpcScene> {
  const store = options.store ?? createMemoryCacheStore(options);
  const principals = [
    ['writer', 'write'],
    ['reader', 'read'],
  ] as const;
  for (const [id, right] of options.addPrincipals === false ? [] : principals) {
    const grants = ['main', 'team/*', 'full', 'frozen'].map((namespace) => ({ namespace, right }));
    const credential = { kind: 'token', value: tokenDigest(id) } as const;
    await store.principals.add({ id, credential, grants }, { principal: 'test' });
  }
  const calls: string[] = [];
  const handler = createGrpcHandler(createServing({ store, limits: options.limits }));
  const listener = await openListener({
    host: '127.0.0.1',
    port: 0,
    rules: { anonymous: options.anonymous ?? 'none' },
    tls: options.tls,
    http: (_request, response) => response.end(),
    grpc(request, response) {
      calls.push(request.url ?? '');
      handler(request, response);
    },
    log: silentLogger,
  });
  const { port } = listener;
  const clients: GrpcClient[] = [];
  return {
    store,
    port,
    calls,
    client(token) {
      const client = new GrpcClient(port, token);
      clients.push(client);
      return client;
    },
    async [Symbol.asyncDispose]() {
      for (const client of clients) client.close();
      await listener.close(0);
    },
  };
}

/** Outcome of a call: an answer, or the status that came instead. */
export type Outcome<Answer> =
  | { readonly code: 0; readonly answer: Answer; readonly details?: undefined }
  | { readonly code: status; readonly details: string; readonly metadata: Metadata; readonly answer?: undefined };

export class GrpcClient {
  readonly #client: Client;
  readonly #metadata = new Metadata();

  constructor(port: number, token?: string) {
    const unlimited = { 'grpc.max_receive_message_length': -1, 'grpc.max_send_message_length': -1 };
    this.#client = new Client(`127.0.0.1:${port}`, credentials.createInsecure(), unlimited);
    if (token) this.#metadata.set('authorization', `Bearer ${token}`);
  }

  /** A header of all calls that follow. */
  header(name: string, value: string | Buffer): this {
    this.#metadata.set(name, value);
    return this;
  }

  unary<I extends DescMessage, O extends DescMessage>(
    method: DescMethodUnary<I, O>,
    request: MessageInitShape<I>,
  ): Promise<Outcome<MessageShape<O>>> {
    return new Promise((resolve) => {
      this.#client.makeUnaryRequest(
        pathOf(method),
        encode(method.input),
        decode(method.output),
        create(method.input, request),
        this.#metadata,
        (error, answer) => resolve(outcome(error, answer as MessageShape<O>)),
      );
    });
  }

  /** All messages of a stream, with the status that ended it. */
  async stream<I extends DescMessage, O extends DescMessage>(
    method: DescMethodServerStreaming<I, O>,
    request: MessageInitShape<I>,
  ): Promise<Outcome<MessageShape<O>[]>> {
    const call = this.#client.makeServerStreamRequest(
      pathOf(method),
      encode(method.input),
      decode(method.output),
      create(method.input, request),
      this.#metadata,
    );
    const messages: MessageShape<O>[] = [];
    try {
      for await (const message of call) messages.push(message as MessageShape<O>);
      return { code: 0, answer: messages };
    } catch (cause) {
      return outcome(cause as ServiceError, undefined as never);
    }
  }

  /** Sends all messages, then ends or (`cut`) goes away. */
  send<I extends DescMessage, O extends DescMessage>(
    method: { readonly name: string; readonly parent: DescService; readonly input: I; readonly output: O },
    requests: Iterable<MessageInitShape<I>> | AsyncIterable<MessageInitShape<I>>,
    end: 'end' | 'cut' = 'end',
  ): Promise<Outcome<MessageShape<O>>> {
    return new Promise((resolve) => {
      const call = this.#client.makeClientStreamRequest(
        pathOf(method),
        encode(method.input),
        decode(method.output),
        this.#metadata,
        (error, answer) => resolve(outcome(error, answer as MessageShape<O>)),
      );
      let isOver = false;
      call.once('status', () => {
        isOver = true;
      });
      (async () => {
        for await (const request of requests) {
          if (isOver) return;
          if (!call.write(create(method.input, request))) await nextOf(call, 'drain', 'status');
        }
        if (end === 'end') call.end();
        else call.cancel();
      })();
    });
  }

  close(): void {
    this.#client.close();
  }
}

/** Resolves at the first of the events. */
function nextOf(emitter: EventEmitter, ...events: readonly string[]): Promise<void> {
  return new Promise((resolve) => {
    const done = () => {
      for (const event of events) emitter.off(event, done);
      resolve();
    };
    for (const event of events) emitter.on(event, done);
  });
}

function pathOf({ parent, name }: { readonly parent: DescService; readonly name: string }): string {
  return `/${parent.typeName}/${name}`;
}

function encode<Schema extends DescMessage>(schema: Schema) {
  return (message: MessageShape<Schema>) => Buffer.from(toBinary(schema, message));
}

function decode<Schema extends DescMessage>(schema: Schema) {
  return (bytes: Buffer) => fromBinary(schema, bytes);
}

function outcome<Answer>(error: ServiceError | null, answer: Answer): Outcome<Answer> {
  if (!error) return { code: 0, answer };
  return { code: error.code, details: error.details, metadata: error.metadata };
}
