import { chmod, lstat, mkdir, rename, rm, rmdir, unlink } from 'node:fs/promises';
import { createServer, type Server, type Socket } from 'node:net';
import { dirname, join } from 'node:path';
import { isWaybillError, type Logger, redactText, type SocketRequest, socketRequestSchema } from '@waybill/contracts';
import { FetchServiceError, messageOf, systemCode } from '../errors.js';
import { leftBy } from '../files/left-by.js';
import { makeDirectory } from '../files/make-directory.js';
import { JsonFramer } from './json-framer.js';
import { clearSocketPath } from './socket-path.js';

const maxRequestBytes = 16 << 20;
const requestTimeoutMs = 30_000;
const maxConnections = 32;

/** What an operation answers: a text, or one that comes in pieces. */
export type SocketAnswer = string | AsyncIterable<string>;

/** A listening socket of one request and one reply per connection. */
export interface ControlSocket {
  readonly path: string;
  close(): Promise<void>;
}

/**
 * Listens on a unix socket of mode 0600: whoever may open it may do everything. Operations run one after another.
 * @param timeoutMs for a request to come whole, and for each part of its reply to be taken
 * @throws FetchServiceError FETCH_SOCKET_IN_USE, FETCH_SOCKET_REFUSED
 * @see specs/fetch-service.md §6.3
 */
export async function openControlSocket(
  path: string,
  operate: (request: SocketRequest) => Promise<SocketAnswer>,
  logger: Logger,
  timeoutMs = requestTimeoutMs,
): Promise<ControlSocket> {
  await clearSocketPath(path);
  const sockets = new Set<Socket>();
  let queue: Promise<void> = Promise.resolve();
  const server = createServer((socket) => {
    sockets.add(socket);
    socket.once('close', () => sockets.delete(socket));
    socket.on('error', () => socket.destroy());
    socket.setTimeout(timeoutMs, () => socket.destroy());
    readRequest(socket).then(
      (request) => {
        // An operation takes as long as it takes, and so may those before it.
        socket.setTimeout(0);
        queue = queue.then(() => serve(socket, request, { operate, logger, timeoutMs }));
      },
      () => socket.destroy(),
    );
  });
  server.maxConnections = maxConnections;
  await listenPrivately(server, path);
  const { ino } = await lstat(path);
  return {
    path,
    async close() {
      // Closing removes the path, and by now it may be another daemon's.
      const isOurs = await lstat(path).then(
        (found) => found.ino === ino,
        () => false,
      );
      for (const socket of sockets) socket.destroy();
      const { promise, resolve } = Promise.withResolvers<void>();
      server.close(() => resolve());
      await promise;
      if (isOurs) await unlink(path).catch(() => {});
    },
  };
}

type Parsed = { readonly request: SocketRequest } | { readonly fault: string };

function readRequest(socket: Socket): Promise<Parsed> {
  const { promise, resolve, reject } = Promise.withResolvers<Parsed>();
  const framer = new JsonFramer(maxRequestBytes);
  socket.on('data', (chunk) => {
    try {
      const text = framer.push(chunk);
      if (text === undefined) return;
      socket.removeAllListeners('data').resume();
      resolve(parse(text));
    } catch (cause) {
      socket.removeAllListeners('data').resume();
      resolve({ fault: messageOf(cause) });
    }
  });
  socket.once('close', () => reject(new Error('closed before the request was complete')));
  return promise;
}

function parse(text: string): Parsed {
  try {
    const parsed = socketRequestSchema.safeParse(JSON.parse(text));
    if (parsed.success) return { request: parsed.data };
    return {
      fault: `the request is not one: ${parsed.error.issues.map(({ path, message }) => `${path.join('.')}: ${message}`).join('; ')}`,
    };
  } catch {
    return { fault: 'the request is not valid JSON' };
  }
}

interface Serving {
  readonly operate: (request: SocketRequest) => Promise<SocketAnswer>;
  readonly logger: Logger;
  readonly timeoutMs: number;
}

async function serve(socket: Socket, parsed: Parsed, { operate, logger, timeoutMs }: Serving): Promise<void> {
  try {
    if ('fault' in parsed) throw new FetchServiceError('FETCH_REQUEST_INVALID', parsed.fault);
    const answer = await operate(parsed.request);
    // Who does not read it must not keep others waiting.
    socket.setTimeout(timeoutMs);
    await reply(socket, answer);
  } catch (cause) {
    const message = redactText(messageOf(cause));
    if (!isWaybillError(cause)) logger.error({ error: cause }, 'an operation of the control socket failed');
    const hint = isWaybillError(cause) && cause.hint ? `\n${cause.hint}` : '';
    if (socket.writable && socket.bytesWritten === 0) {
      socket.end(`${JSON.stringify({ result: 'error', message: `${message}${hint}` })}\n`);
    } else socket.destroy();
  }
}

/** Pieces are escaped one by one: a text of any length is answered in bounded memory. */
async function reply(socket: Socket, answer: SocketAnswer): Promise<void> {
  if (typeof answer === 'string') {
    socket.end(`${JSON.stringify({ result: 'ok', message: answer })}\n`);
    return;
  }
  let begun = false;
  for await (const piece of answer) {
    const escaped = JSON.stringify(piece).slice(1, -1);
    await write(socket, begun ? escaped : `{"result":"ok","message":"${escaped}`);
    begun = true;
  }
  socket.end(begun ? '"}\n' : '{"result":"ok","message":""}\n');
}

function write(socket: Socket, text: string): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  socket.write(text, (error) => (error ? reject(error) : resolve()));
  return promise;
}

/** Bound in a folder of its own and moved when its mode is right: it is never open to others, not even for a moment. */
async function listenPrivately(server: Server, path: string): Promise<void> {
  let folder: string | undefined;
  try {
    await makeDirectory(dirname(path), 0o700);
    folder = await makeBindFolder(dirname(path));
    const bound = join(folder, 's');
    await listening(server, bound);
    await chmod(bound, 0o600);
    await rename(bound, path);
  } catch (cause) {
    server.close();
    const text = `the control socket ${path} cannot be made: ${messageOf(cause)}`;
    throw new FetchServiceError('FETCH_SOCKET_REFUSED', text, { hint: 'name another path with --socket=PATH', cause });
  } finally {
    if (folder) await removeBindFolder(folder);
  }
}

/** Short: the name of a socket in it has to fit into `sun_path`. */
const folderPrefix = '.fs';

/** A folder named after this process, so that the next one can tell which were left by those that were killed. */
async function makeBindFolder(parent: string): Promise<string> {
  for (const { path } of await leftBy(parent, { prefix: folderPrefix })) await removeBindFolder(path);
  const path = join(parent, `${folderPrefix}${process.pid}`);
  await mkdir(path, { mode: 0o700 }).catch(async (cause: unknown) => {
    // Of an earlier process with our number.
    if (systemCode(cause) !== 'EEXIST' || (await lstat(path)).uid !== process.getuid?.()) throw cause;
    await removeBindFolder(path);
    await mkdir(path, { mode: 0o700 });
  });
  return path;
}

/** Nothing but a socket can be in it: anything else is not ours, and stays with its folder. */
async function removeBindFolder(path: string): Promise<void> {
  await rm(join(path, 's'), { force: true });
  await rmdir(path).catch(() => {});
}

function listening(server: Server, path: string): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  server.once('error', reject);
  server.listen(path, () => resolve());
  return promise;
}
