import type { Logger } from '@waybill/contracts';
import { CacheClientError } from '../errors.js';
import { openHttpRemote } from '../http/http-remote.js';
import type { RetryOptions } from '../http/retrying.js';
import { openSshRemote, type SshRemote } from '../ssh/ssh-remote.js';
import { type Breaker, type BreakerOptions, createBreaker } from './breaker.js';
import type { RemoteReader, RemoteWriter } from './remote.js';
import { type RemoteEndpoint, type RemoteSettings, remoteName } from './settings.js';

/** One remote of a build: opened when it is first needed, left alone for a while when it fails. */
export interface Remote {
  readonly name: string;
  readonly canPush: boolean;
  /**
   * Reads, or answers undefined when the remote failed lately or fails now; then a warning was logged, unless there was one
   * already. @throws what is not the remote's failure; the signal's reason
   */
  reading<T>(work: (reader: RemoteReader) => Promise<T>, signal?: AbortSignal): Promise<T | undefined>;
  /** As {@link Remote.reading}, but what failed is thrown as well; undefined while the remote is left alone. */
  writing<T>(work: (writer: RemoteWriter) => Promise<T>, signal?: AbortSignal): Promise<T | undefined>;
  close(): Promise<void>;
}

/** What remotes are opened with. */
export interface OpenRemoteOptions {
  readonly log: Logger;
  readonly client: string;
  readonly concurrency: number;
  readonly retry?: RetryOptions | undefined;
  /** Program and arguments that stand before ours. Default `ssh`. */
  readonly ssh?: readonly string[] | undefined;
  readonly breaker?: BreakerOptions | undefined;
}

/** Opens a remote; nothing is connected yet. */
export function openRemote(settings: RemoteSettings, options: OpenRemoteOptions): Remote {
  const name = remoteName(settings);
  const http = (endpoint: RemoteEndpoint) => openHttpRemote({ ...options, ...endpoint, auth: settings.auth });
  const ssh = (endpoint: RemoteEndpoint) => openSshRemote({ ...options, ...endpoint, command: options.ssh });
  const reader = lazily(async () => await http(settings.pull ?? (await askForPull(settings, ssh))));
  const writer = lazily(async (): Promise<RemoteWriter> => {
    const place = settings.push as RemoteEndpoint;
    return place.url.protocol === 'ssh:' ? ssh(place) : await http(place);
  });
  const pulls = createBreaker(options.breaker);
  const pushes = createBreaker(options.breaker);

  async function guarded<R, T>(
    open: () => Promise<R>,
    breaker: Breaker,
    work: (remote: R) => Promise<T>,
    signal: AbortSignal | undefined,
  ): Promise<T> {
    try {
      const result = await work(await open());
      breaker.worked();
      return result;
    } catch (error) {
      signal?.throwIfAborted();
      if (isRemoteFailure(error) && breaker.failed()) warn(options.log, name, error);
      throw error;
    }
  }

  return {
    name,
    canPush: settings.push !== undefined,
    async reading(work, signal) {
      if (!pulls.isClosed) return undefined;
      try {
        return await guarded(reader.get, pulls, work, signal);
      } catch (error) {
        if (isRemoteFailure(error)) return undefined;
        throw error;
      }
    },
    async writing(work, signal) {
      if (!settings.push || !pushes.isClosed) return undefined;
      return await guarded(writer.get, pushes, work, signal);
    },
    async close() {
      await Promise.all([reader.close(), writer.close()]);
    },
  };
}

/** Who is given only a place to push to learns there where is pulled, as the seed does. */
async function askForPull(
  settings: RemoteSettings,
  ssh: (endpoint: RemoteEndpoint) => SshRemote,
): Promise<RemoteEndpoint> {
  const { push } = settings;
  if (push?.url.protocol !== 'ssh:') throw noPull(remoteName(settings));
  const receiver = ssh(push);
  try {
    const { 'pull-url': text } = await receiver.info();
    if (text === undefined || !/^https?:/.test(text) || !URL.canParse(text)) throw noPull(remoteName(settings));
    return { url: new URL(text), namespace: push.namespace };
  } finally {
    await receiver.close();
  }
}

function noPull(name: string): CacheClientError {
  return new CacheClientError('CACHE_CONFIG_INVALID', `${name} names no place to pull from`, {
    hint: 'add pull-url here, or to the configuration of the server',
  });
}

/** Whether it is the remote, or its configuration, that failed: nothing that may end a build. */
export function isRemoteFailure(error: unknown): error is CacheClientError {
  return (
    error instanceof CacheClientError &&
    (error.code.startsWith('CACHE_REMOTE_') ||
      error.code === 'CACHE_CONFIG_INVALID' ||
      error.code === 'CACHE_FRAME_INVALID')
  );
}

function warn(log: Logger, remote: string, error: CacheClientError): void {
  log.warn(
    { remote, code: error.code, ...(error.hint && { hint: error.hint }) },
    `cache ${remote} is left out for now: ${error.message}`,
  );
}

/** Opens on first use, and again after a failure. */
function lazily<T extends { close(): Promise<void> }>(
  open: () => Promise<T>,
): { get(): Promise<T>; close(): Promise<void> } {
  let opened: Promise<T> | undefined;
  return {
    async get() {
      opened ??= open().catch((error: unknown) => {
        opened = undefined;
        throw error;
      });
      return await opened;
    },
    async close() {
      await opened?.then(
        (one) => one.close(),
        () => undefined,
      );
    },
  };
}
