import type { CacheBlob, CacheNamespace } from '@waybill/cache-store';
import {
  type CacheInfo,
  encodeReceiveFrame,
  parseReceivePayload,
  type ReceiveFrame,
  type ReceiveFrameType,
  readReceiveFrames,
  receiveBlobSchema,
  receiveBlobsSchema,
  receiveHelloSchema,
  receiveKeySchema,
  receivePublishSchema,
} from '@waybill/contracts';
import { type Caller, type Serving, writerOf } from '../serving/serving.js';
import { receiveBlob } from './receive-blob.js';
import { ReceiveError } from './receive-error.js';

/** Most references that one name can have. */
const maxReferences = 100_000;

/** What a session is given. */
export interface ReceiveSession {
  readonly serving: Serving;
  /** Who it is, asked again before each name is set: a key that was removed meanwhile sets none. */
  caller(): Promise<Caller>;
  /** The namespace that the key, the command or the client's request binds the session to. */
  readonly namespace?: string | undefined;
  readonly input: AsyncIterable<Uint8Array>;
  /** Resolves when more can be taken. */
  write(frame: Buffer): Promise<void>;
  readonly version: string;
}

/** A session after its hello. */
interface Opened {
  readonly namespace: CacheNamespace;
  readonly client: string;
  references: CacheBlob[];
}

/**
 * One client from hello to done. What is half uploaded when it ends leaves nothing; blobs without a name age out.
 * @throws ReceiveError RECEIVE_UNEXPECTED, ContractError, AccessError, CacheStoreError: the session is over
 */
export async function runReceiveSession(session: ReceiveSession): Promise<void> {
  const frames = readReceiveFrames(session.input);
  try {
    const opened = await openSession(session, await nextFrame(frames));
    for (;;) {
      const frame = await nextFrame(frames);
      if (frame.type === 'done') break;
      await answer(session, opened, frame, frames);
    }
    await send(session, 'bye', {});
  } finally {
    await frames.return();
  }
}

async function openSession(session: ReceiveSession, frame: ReceiveFrame): Promise<Opened> {
  if (frame.type !== 'hello') throw unexpected(frame.type, 'hello');
  const hello = parseReceivePayload(frame, receiveHelloSchema);
  if (session.namespace !== undefined && session.namespace !== hello.namespace) {
    throw new ReceiveError('RECEIVE_NAMESPACE', `this key is for namespace ${session.namespace}`);
  }
  const { serving } = session;
  const caller = await session.caller();
  serving.require(caller, hello.namespace, 'read');
  const namespace = serving.store.namespace(hello.namespace);
  await send(session, 'info', infoOf(serving, caller, session.version));
  return { namespace, client: hello.client, references: [] };
}

async function answer(
  session: ReceiveSession,
  opened: Opened,
  frame: ReceiveFrame,
  frames: AsyncGenerator<ReceiveFrame>,
): Promise<void> {
  const { namespace } = opened;
  switch (frame.type) {
    case 'ask': {
      await writable(session, namespace);
      const { blobs } = parseReceivePayload(frame, receiveBlobsSchema);
      const present = await namespace.present(blobs);
      return await send(session, 'missing', { missing: blobs.filter((_, index) => !present[index]) });
    }
    case 'has': {
      const { key } = parseReceivePayload(frame, receiveKeySchema);
      const entry = await namespace.lookup('artifact', [key]);
      // What it reads through to does not count: the name is to be set here.
      return await send(session, 'present', { present: entry?.namespace === namespace.name });
    }
    case 'blob': {
      const caller = await writable(session, namespace);
      const blob = parseReceivePayload(frame, receiveBlobSchema);
      const writer = writerOf(caller, opened.client);
      return await send(session, 'stored', await receiveBlob(namespace, { blob, writer }, frames));
    }
    case 'references': {
      opened.references.push(...parseReceivePayload(frame, receiveBlobsSchema).blobs);
      if (opened.references.length <= maxReferences) return;
      throw new ReceiveError('RECEIVE_UNEXPECTED', `more than ${maxReferences} references`);
    }
    case 'publish': {
      const caller = await writable(session, namespace);
      const publication = parseReceivePayload(frame, receivePublishSchema);
      const { references } = opened;
      opened.references = [];
      const writer = writerOf(caller, opened.client);
      const outcome = await namespace.publish({ kind: 'artifact', ...publication, references }, writer);
      return await send(session, 'published', { outcome });
    }
    default:
      throw unexpected(frame.type, 'a request');
  }
}

async function writable({ serving, caller }: ReceiveSession, namespace: CacheNamespace): Promise<Caller> {
  const found = await caller();
  serving.require(found, namespace.name, 'write');
  return found;
}

async function send(session: ReceiveSession, type: ReceiveFrameType, payload: object): Promise<void> {
  await session.write(encodeReceiveFrame(type, payload));
}

/** @throws ReceiveError RECEIVE_UNEXPECTED when the client has gone */
export async function nextFrame(frames: AsyncGenerator<ReceiveFrame>): Promise<ReceiveFrame> {
  const next = await frames.next();
  if (!next.done) return next.value;
  throw new ReceiveError('RECEIVE_UNEXPECTED', 'the client has gone without saying that it is done');
}

function unexpected(found: string, wanted: string): ReceiveError {
  return new ReceiveError('RECEIVE_UNEXPECTED', `expected ${wanted}, got ${found}`);
}

function infoOf({ links, limits }: Serving, caller: Caller, version: string): CacheInfo {
  return {
    service: 'artifact-cache',
    version,
    ...(links.pullUrl && { 'pull-url': links.pullUrl }),
    ...(links.pushUrl && { 'push-url': links.pushUrl }),
    principal: caller.principal,
    grants: [...caller.grants],
    'max-batch': limits.maxBatch,
    'max-blob-bytes': limits.maxBlobBytes,
  };
}
