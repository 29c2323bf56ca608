import type { Socket } from 'node:net';

/** Content type of a TLS record that carries a handshake (RFC 8446 §5.1). */
const tlsHandshake = 0x16;

/**
 * Waits for what the client says first inside a tunnel. It stays readable on the socket. undefined when the client went away,
 * or said nothing in time: then the socket is destroyed.
 */
export async function firstBytes(socket: Socket, head: Buffer, timeoutMs: number): Promise<Buffer | undefined> {
  const found = head.length > 0 ? head : await nextChunk(socket, timeoutMs);
  if (found) socket.unshift(found);
  return found;
}

/**
 * Whether a client speaks plain HTTP inside its tunnel: some open one for every URL, also for `http:` (Node's own proxy
 * support among them). A method is upper-case letters; anything else is left to TLS, which says what is wrong with it.
 */
export function isPlainHttp(bytes: Buffer): boolean {
  return bytes[0] !== tlsHandshake && /^[A-Z]{1,20}( |$)/.test(bytes.toString('latin1', 0, 21));
}

function nextChunk(socket: Socket, timeoutMs: number): Promise<Buffer | undefined> {
  if (socket.destroyed || socket.readableEnded) {
    socket.destroy();
    return Promise.resolve(undefined);
  }
  return new Promise((resolve) => {
    const timer = setTimeout(() => socket.destroy(), timeoutMs);
    const settle = (chunk: Buffer | undefined) => {
      clearTimeout(timer);
      socket.off('readable', read).off('end', leave).off('close', gone);
      resolve(chunk);
    };
    const read = () => {
      const chunk = socket.read() as Buffer | null;
      if (chunk) settle(chunk);
    };
    const leave = () => socket.destroy();
    const gone = () => settle(undefined);
    socket.on('readable', read).once('end', leave).once('close', gone);
  });
}
