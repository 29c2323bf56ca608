/**
 * The protocol of `artifact-cache receive` on the two streams of an ssh session. docs/artifact-cache/receive.md describes it.
 *
 * A frame is `W`, `B`, version 1, type, length of the payload (32 bits, big end first), payload. All payloads but `data` are
 * JSON. The server answers each request in order; `error` ends the session.
 */
import { z } from 'zod';
import {
  cacheBlobSchema,
  cacheInfoSchema,
  cachePublishRequestSchema,
  cachePublishResponseSchema,
} from './cache-api.js';
import { ContractError } from './errors.js';

/** Types of frames: below 64 the client's, from 64 on the server's. */
export const receiveFrameTypes = {
  /** `ReceiveHello`; answered by `info`. */
  hello: 1,
  /** `ReceiveBlobs`, at most `receiveBatch`; answered by `missing`. */
  ask: 2,
  /** `ReceiveKey`; answered by `present`. */
  has: 3,
  /** A blob's digest and size; its bytes follow as `data`; answered by `stored` when they are verified and durable. */
  blob: 4,
  data: 5,
  /** `ReceiveBlobs` that the next `publish` refers to; no answer. */
  references: 6,
  /** `ReceivePublish`; answered by `published`. */
  publish: 7,
  /** The end; answered by `bye`. */
  done: 8,
  info: 64,
  missing: 65,
  present: 66,
  stored: 67,
  published: 68,
  /** `CacheError`. */
  error: 69,
  bye: 70,
} as const;
export type ReceiveFrameType = keyof typeof receiveFrameTypes;

/** Largest payload. */
export const maxReceivePayload = 1024 * 1024;
/** Most blobs in one frame. */
export const receiveBatch = 5000;

/** What a client opens with. */
export const receiveHelloSchema = z.strictObject({ client: z.string().max(200), namespace: z.string().max(200) });
export type ReceiveHello = z.infer<typeof receiveHelloSchema>;
/** Who the server takes the client for, and what they may. */
export const receiveInfoSchema = cacheInfoSchema;
export const receiveBlobsSchema = z.strictObject({ blobs: z.array(cacheBlobSchema).max(receiveBatch) });
export const receiveMissingSchema = z.object({ missing: z.array(cacheBlobSchema) });
export const receiveKeySchema = z.strictObject({ key: z.string().min(1).max(1024) });
export const receivePresentSchema = z.object({ present: z.boolean() });
export const receiveBlobSchema = cacheBlobSchema;
export const receiveStoredSchema = cacheBlobSchema;
/** As `POST …/entries`, but the references came before. */
export const receivePublishSchema = cachePublishRequestSchema.omit({ references: true });
export type ReceivePublish = z.input<typeof receivePublishSchema>;
export const receivePublishedSchema = cachePublishResponseSchema;

/** A frame as it came. */
export interface ReceiveFrame {
  readonly type: ReceiveFrameType;
  readonly payload: Buffer;
}

const headerBytes = 8;
const version = 1;
const byNumber = new Map(Object.entries(receiveFrameTypes).map(([name, number]) => [number, name as ReceiveFrameType]));

/** The bytes of a frame. @throws ContractError CONTRACT_DOCUMENT_INVALID when the payload is too long */
export function encodeReceiveFrame(type: ReceiveFrameType, payload: Uint8Array | object = {}): Buffer {
  const body = payload instanceof Uint8Array ? payload : Buffer.from(JSON.stringify(payload));
  if (body.length > maxReceivePayload) {
    throw new ContractError(
      'CONTRACT_DOCUMENT_INVALID',
      `a frame of ${body.length} bytes, at most ${maxReceivePayload}`,
    );
  }
  const frame = Buffer.allocUnsafe(headerBytes + body.length);
  frame.write('WB', 'latin1');
  frame.writeUInt8(version, 2);
  frame.writeUInt8(receiveFrameTypes[type], 3);
  frame.writeUInt32BE(body.length, 4);
  frame.set(body, headerBytes);
  return frame;
}

/**
 * Divides a stream into frames. Holds at most one frame and one chunk; a header that announces too much is refused before any
 * of its payload is kept. The last frame must be whole.
 * @throws ContractError CONTRACT_DOCUMENT_INVALID
 */
export async function* readReceiveFrames(stream: AsyncIterable<Uint8Array>): AsyncGenerator<ReceiveFrame, void, void> {
  let held: Uint8Array[] = [];
  let bytes = 0;
  let wanted = headerBytes;
  let type: ReceiveFrameType | undefined;
  for await (const chunk of stream) {
    held.push(chunk);
    bytes += chunk.length;
    if (bytes < wanted) continue;
    let rest = held.length === 1 ? Buffer.from(chunk.buffer, chunk.byteOffset, chunk.length) : Buffer.concat(held);
    while (rest.length >= wanted) {
      const part = rest.subarray(0, wanted);
      rest = rest.subarray(wanted);
      if (type === undefined) {
        const header = parseHeader(part);
        type = header.type;
        wanted = header.length;
      } else {
        yield { type, payload: part };
        type = undefined;
        wanted = headerBytes;
      }
    }
    held = rest.length > 0 ? [rest] : [];
    bytes = rest.length;
  }
  if (bytes > 0 || type !== undefined) throw invalid('the stream ends in the middle of a frame');
}

function parseHeader(header: Buffer): { type: ReceiveFrameType; length: number } {
  if (header[0] !== 0x57 || header[1] !== 0x42) {
    throw invalid(`expected a frame, found ${JSON.stringify(header.toString('latin1'))}`);
  }
  if (header[2] !== version) throw invalid(`version ${header[2]} of the protocol, understood is ${version}`);
  const type = byNumber.get(header[3] as never);
  if (!type) throw invalid(`no frame has type ${header[3]}`);
  const length = header.readUInt32BE(4);
  if (length > maxReceivePayload) throw invalid(`a frame of ${length} bytes, at most ${maxReceivePayload}`);
  return { type, length };
}

/** The document in a frame. @throws ContractError CONTRACT_DOCUMENT_INVALID */
export function parseReceivePayload<Schema extends z.ZodType>(frame: ReceiveFrame, schema: Schema): z.output<Schema> {
  let value: unknown;
  try {
    value = JSON.parse(frame.payload.toString('utf8'));
  } catch {
    throw invalid(`the payload of ${frame.type} is not JSON`);
  }
  const parsed = schema.safeParse(value);
  if (parsed.success) return parsed.data;
  const issue = parsed.error.issues[0];
  throw invalid(`${frame.type}: ${issue?.path.join('.') ?? ''} ${issue?.message ?? ''}`);
}

function invalid(message: string): ContractError {
  return new ContractError('CONTRACT_DOCUMENT_INVALID', message.slice(0, 300));
}
