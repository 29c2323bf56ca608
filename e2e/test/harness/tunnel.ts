import { readFile } from 'node:fs/promises';
import { connect, type Socket } from 'node:net';
import { connect as connectTls, type TLSSocket } from 'node:tls';
import type { Session } from './session.js';

/** One CONNECT tunnel of a client that keeps it open. */
export interface Tunnel {
  /** Sends a GET; resolves to the whole answer, or to what came of it before the connection ended. */
  get(path: string): Promise<{ readonly text: string; readonly isOpen: boolean }>;
  close(): Promise<void>;
}

/** Opens a tunnel and does the TLS handshake. @throws when CONNECT is refused */
export async function openTunnel(session: Session, url: string): Promise<Tunnel> {
  const { host, hostname, port } = new URL(url);
  const socket = connect({ host: '127.0.0.1', port: Number(new URL(session.proxyOrigin).port) });
  const credentials = Buffer.from(`${session.id}:${session.token}`).toString('base64');
  socket.write(`CONNECT ${hostname}:${port || 443} HTTP/1.1\r\nProxy-Authorization: Basic ${credentials}\r\n\r\n`);
  const answer = await headOf(socket);
  if (!answer.startsWith('HTTP/1.1 200 ')) throw new Error(`CONNECT was refused: ${answer}`);
  const tls = connectTls({ socket, servername: hostname, ca: await readFile(session.caFile) });
  await new Promise((resolve, reject) => tls.once('secureConnect', resolve).once('error', reject));
  tls.on('error', () => {});
  return {
    get: (path) => exchange(tls, `GET ${path} HTTP/1.1\r\nHost: ${host}\r\n\r\n`),
    async close() {
      tls.destroy();
    },
  };
}

function headOf(socket: Socket): Promise<string> {
  return new Promise((resolve, reject) => {
    socket.once('error', reject);
    socket.once('data', (chunk: Buffer) => resolve(chunk.toString('latin1')));
    socket.once('end', () => reject(new Error('the proxy closed the connection')));
  });
}

/** Reads an answer that has a Content-Length. */
function exchange(socket: TLSSocket, request: string): Promise<{ text: string; isOpen: boolean }> {
  return new Promise((resolve) => {
    let text = '';
    const finish = (isOpen: boolean) => {
      socket.off('data', onData);
      resolve({ text, isOpen });
    };
    const onData = (chunk: Buffer) => {
      text += chunk.toString('latin1');
      const head = text.indexOf('\r\n\r\n');
      const length = /^content-length: (\d+)/im.exec(text)?.[1];
      if (head >= 0 && length !== undefined && text.length >= head + 4 + Number(length)) finish(true);
    };
    socket.on('data', onData);
    socket.once('close', () => finish(false));
    if (socket.destroyed || socket.closed) finish(false);
    else socket.write(request);
  });
}
