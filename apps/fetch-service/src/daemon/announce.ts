import { resolve } from 'node:path';
import { type RuntimeFile, type SocketRequest, toRfc3339 } from '@waybill/contracts';
import { FetchServiceError } from '../errors.js';
import { openControlSocket, type SocketAnswer } from '../socket/control-socket.js';
import { version } from '../version.js';
import type { DaemonContext } from './daemon-context.js';
import { startProfiler } from './profiler.js';
import { removeRuntimeFile, writeRuntimeFile } from './runtime-file.js';
import type { ServeOptions } from './serve-options.js';
import type { Started } from './start-text.js';

/** What these parts are opened with. */
export type AnnounceContext = Pick<DaemonContext, 'logger' | 'cleanup'>;

/** Opens the local control socket. @returns its path, undefined when a default one is not to be had */
export async function openSocket(
  { socket }: ServeOptions,
  context: AnnounceContext,
  carryOut: (request: SocketRequest) => Promise<SocketAnswer>,
): Promise<string | undefined> {
  return unlessChosen(socket.isChosen, context, async () => {
    const opened = await openControlSocket(socket.path, carryOut, context.logger);
    context.cleanup.add('control socket', () => opened.close());
    return opened.path;
  });
}

/** Starts the profiler. @param port undefined = it was not asked for */
export async function openProfiler(port: number | undefined, { logger, cleanup }: AnnounceContext): Promise<void> {
  if (port === undefined) return;
  const profiler = await startProfiler(port);
  cleanup.add('profiler', () => profiler.close());
  logger.info({ url: `http://127.0.0.1:${profiler.port}` }, 'profiles are served');
}

/** Writes the runtime file, last of all: who reads it finds a daemon that is ready. */
export async function announce(
  { runtimeFile, credentials, isPermissiveAllowed, configDirectory }: ServeOptions,
  context: AnnounceContext,
  started: Omit<Started, 'runtimeFile'> & { readonly startedAt: Date },
): Promise<string | undefined> {
  const content: RuntimeFile = {
    version,
    pid: process.pid,
    'started-at': toRfc3339(started.startedAt),
    'control-url': started.controlUrl,
    'proxy-url': started.proxyUrl,
    // A daemon without credentials takes any.
    auth: credentials?.text ?? ':',
    'ca-file': started.caFile,
    'ca-sha256': started.caSha256,
    permissive: isPermissiveAllowed,
    'config-directory': resolve(configDirectory),
  };
  return unlessChosen(runtimeFile.isChosen, context, async () => {
    await writeRuntimeFile(runtimeFile.path, content);
    context.cleanup.add('runtime file', () => removeRuntimeFile(runtimeFile.path));
    return runtimeFile.path;
  });
}

/** A default place that is taken or cannot be written costs a convenience and is said; a chosen one stops the start. */
async function unlessChosen(
  isChosen: boolean,
  { logger }: AnnounceContext,
  task: () => Promise<string>,
): Promise<string | undefined> {
  try {
    return await task();
  } catch (cause) {
    if (isChosen || !(cause instanceof FetchServiceError)) throw cause;
    logger.warn({ hint: cause.hint }, cause.message);
    return undefined;
  }
}
