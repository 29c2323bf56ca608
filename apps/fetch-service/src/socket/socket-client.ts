import { lstat } from 'node:fs/promises';
import { connect } from 'node:net';
import { type SocketReply, type SocketRequest, socketReplySchema } from '@waybill/contracts';
import { FetchServiceError, messageOf, systemCode } from '../errors.js';

/** Replacing processes and collecting garbage take their time. */
const replyTimeoutMs = 15 * 60_000;
/** A list of a million artifacts; only so that a broken peer cannot fill the memory. */
const maxReplyBytes = 2 ** 30;

/**
 * Sends one request to the daemon's control socket and reads the whole reply.
 * @param isChosen the path was named by the person; a default one must belong to them or to root
 * @throws FetchServiceError FETCH_SOCKET_UNREACHABLE, FETCH_SOCKET_REFUSED
 */
export async function askDaemon(path: string, request: SocketRequest, { isChosen = false } = {}): Promise<SocketReply> {
  await assertTrusted(path, isChosen);
  const text = await exchange(path, `${JSON.stringify(request)}\n`);
  try {
    return socketReplySchema.parse(JSON.parse(text));
  } catch (cause) {
    throw unreachable(path, 'broke off its reply', cause);
  }
}

/** Certificates with their keys go through here: a stranger's socket in a shared folder must not get them. */
async function assertTrusted(path: string, isChosen: boolean): Promise<void> {
  const found = await lstat(path).catch((cause: unknown) => {
    throw unreachable(path, systemCode(cause) === 'ENOENT' ? 'is not there' : messageOf(cause), cause);
  });
  if (!found.isSocket()) throw new FetchServiceError('FETCH_SOCKET_REFUSED', `${path} is not a socket`);
  if (!isChosen && found.uid !== 0 && found.uid !== process.getuid?.()) {
    throw new FetchServiceError('FETCH_SOCKET_REFUSED', `${path} belongs to another user (uid ${found.uid})`, {
      hint: `if that is the daemon's, name it: --socket=${path}`,
    });
  }
}

function exchange(path: string, text: string): Promise<string> {
  const { promise, resolve, reject } = Promise.withResolvers<string>();
  const chunks: Buffer[] = [];
  let size = 0;
  const socket = connect(path, () => socket.write(text));
  socket.setTimeout(replyTimeoutMs, () => socket.destroy(new Error('no reply in time')));
  socket.on('data', (chunk) => {
    chunks.push(chunk);
    size += chunk.length;
    if (size > maxReplyBytes) socket.destroy(new Error('the reply has no end'));
  });
  socket.once('end', () => resolve(Buffer.concat(chunks).toString('utf8')));
  socket.once('error', (cause) => reject(unreachable(path, messageOf(cause), cause)));
  socket.once('close', () => reject(unreachable(path, 'closed the connection')));
  return promise;
}

function unreachable(path: string, found: string, cause?: unknown): FetchServiceError {
  return new FetchServiceError('FETCH_SOCKET_UNREACHABLE', `no fetch-service on ${path}: ${found}`, {
    hint: 'start the daemon, or name its socket with --socket=PATH (the daemon prints it when it starts)',
    ...(cause === undefined ? {} : { cause }),
  });
}
