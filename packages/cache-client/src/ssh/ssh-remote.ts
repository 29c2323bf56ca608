import {
  type CacheBlobDocument,
  type CacheInfo,
  receiveBatch,
  receiveInfoSchema,
  receiveMissingSchema,
  receivePresentSchema,
  receivePublishedSchema,
  receiveStoredSchema,
} from '@waybill/contracts';
import { CacheClientError } from '../errors.js';
import type { RemoteWriter } from '../remotes/remote.js';
import type { RemoteEndpoint } from '../remotes/settings.js';
import { sshArguments } from './ssh-command.js';
import { openSshConnection, type SshConnection } from './ssh-connection.js';

/** How the receiver is reached. */
export interface SshRemoteOptions extends RemoteEndpoint {
  readonly client: string;
  /** Program and arguments that stand before ours. Default `ssh`. */
  readonly command?: readonly string[] | undefined;
}

/** A namespace behind `artifact-cache receive`. */
export interface SshRemote extends RemoteWriter {
  /** Who the receiver takes us for, and where is pulled. */
  info(): Promise<CacheInfo>;
}

interface Session {
  readonly connection: SshConnection;
  readonly info: Promise<CacheInfo>;
  /** Signals that end it already. */
  readonly heard: WeakSet<AbortSignal>;
}

const chunkBytes = 256 * 1024;

/** Opens a namespace. One session of ssh serves all that follows; one that broke is opened anew. */
export function openSshRemote(options: SshRemoteOptions): SshRemote {
  const host = options.url.host;
  const command = [...(options.command ?? ['ssh']), ...sshArguments(options)];
  let current: Session | undefined;

  function open(): Session {
    if (current?.connection.isOpen) return current;
    const connection = openSshConnection(host, command);
    const hello = { client: options.client.slice(0, 200), namespace: options.namespace };
    const info = connection.request('info', receiveInfoSchema, (send) => send('hello', hello));
    info.catch(() => undefined);
    current = { connection, info, heard: new WeakSet() };
    return current;
  }

  async function session(signal?: AbortSignal): Promise<SshConnection> {
    signal?.throwIfAborted();
    const { connection, info, heard } = open();
    if (signal && !heard.has(signal)) {
      heard.add(signal);
      signal.addEventListener('abort', () => connection.kill(), { once: true });
    }
    await info;
    return connection;
  }

  return {
    info: async () => await open().info,

    async has(key, signal) {
      const ssh = await session(signal);
      return (await ssh.request('present', receivePresentSchema, (send) => send('has', { key }))).present;
    },

    async missing(blobs, signal) {
      const ssh = await session(signal);
      const missing: CacheBlobDocument[] = [];
      for (const some of batches(blobs)) {
        const answer = await ssh.request('missing', receiveMissingSchema, (send) => send('ask', { blobs: some }));
        missing.push(...answer.missing);
      }
      return missing;
    },

    async send({ blob, open: read }, signal) {
      const ssh = await session(signal);
      const stored = await ssh.request('stored', receiveStoredSchema, async (send) => {
        await send('blob', blob);
        for await (const chunk of read(0)) {
          for (let at = 0; at < chunk.length; at += chunkBytes) await send('data', chunk.subarray(at, at + chunkBytes));
        }
      });
      if (stored.sha256 === blob.sha256) return;
      throw new CacheClientError('CACHE_FRAME_INVALID', `${host}: stored ${stored.sha256}, sent was ${blob.sha256}`);
    },

    async publish({ references = [], ...publication }, signal) {
      const ssh = await session(signal);
      const { outcome } = await ssh.request('published', receivePublishedSchema, async (send) => {
        for (const some of batches(references)) await send('references', { blobs: some });
        await send('publish', publication);
      });
      return outcome;
    },

    async close() {
      await current?.connection.close();
    },
  };
}

function* batches(blobs: readonly CacheBlobDocument[]): Iterable<CacheBlobDocument[]> {
  for (let at = 0; at < blobs.length; at += receiveBatch) {
    yield blobs.slice(at, at + receiveBatch).map(({ sha256, size }) => ({ sha256, size }));
  }
}
