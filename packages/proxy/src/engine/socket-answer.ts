import type { Duplex } from 'node:stream';

/** A response written straight to a socket: to CONNECT, and to what is no HTTP. */
export interface SocketAnswer {
  readonly status: number;
  readonly statusText: string;
  /** Raw list. */
  readonly headers?: readonly string[];
  readonly body: string;
}

const lingerMs = 2_000;

/** Writes the answer and closes the socket, at the latest after a moment. */
export function answerSocket(socket: Duplex, { status, statusText, headers = [], body }: SocketAnswer): void {
  socket.on('error', () => {});
  if (!socket.writable) {
    socket.destroy();
    return;
  }
  const fields = [...headers, 'Content-Length', String(Buffer.byteLength(body)), 'Connection', 'close'];
  const lines = Array.from({ length: fields.length / 2 }, (_, i) => `${fields[2 * i]}: ${fields[2 * i + 1]}\r\n`);
  const timer = setTimeout(() => socket.destroy(), lingerMs);
  socket.once('close', () => clearTimeout(timer));
  // Whatever the client still sends is read away: closing on top of it would reset the connection before the answer is read.
  socket.once('end', () => socket.destroy());
  socket.resume();
  socket.end(`HTTP/1.1 ${status} ${statusText}\r\n${lines.join('')}\r\n${body}`);
}
