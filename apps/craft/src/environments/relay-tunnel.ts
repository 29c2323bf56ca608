import type { IncomingMessage } from 'node:http';
import { connect, type Socket } from 'node:net';
import { endToEnd, headerPairs } from './relay-headers.js';
import type { RelayTarget } from './relay-target.js';

/**
 * Passes a CONNECT on with the session's credentials, then bytes both ways, with back-pressure and half-closed ends. Returns
 * the connection to the session's proxy.
 */
export function openTunnel(request: IncomingMessage, client: Socket, head: Buffer, target: RelayTarget): Socket {
  const outward = connect({ ...target.address, allowHalfOpen: true });
  outward.once('connect', () => {
    // Header text is latin1 on the wire, as Node read it.
    outward.write(connectRequest(request, target.authorization), 'latin1');
    if (head.length > 0) outward.write(head);
    outward.on('data', (chunk: Buffer) => target.count(0, chunk.length));
    outward.pipe(client);
    client.pipe(outward);
    closeTogether(client, outward);
    closeTogether(outward, client);
  });
  outward.once('error', (error) => {
    if (!outward.connecting && outward.bytesWritten > 0) return;
    const text = `cannot reach the session's proxy: ${error.message}\n`;
    client.end(
      `HTTP/1.1 502 Bad Gateway\r\nContent-Type: text/plain\r\nContent-Length: ${Buffer.byteLength(text)}\r\nConnection: close\r\n\r\n${text}`,
    );
  });
  client.once('close', () => {
    if (outward.connecting) outward.destroy();
  });
  return outward;
}

function connectRequest(request: IncomingMessage, authorization: string): string {
  const own = headerPairs(endToEnd(request.rawHeaders)).filter(([name]) => name.toLowerCase() !== 'host');
  const lines = [
    `CONNECT ${request.url} HTTP/1.1`,
    `Host: ${request.url}`,
    ...own.map(([name, value]) => `${name}: ${value}`),
    `Proxy-Authorization: ${authorization}`,
  ];
  return `${lines.join('\r\n')}\r\n\r\n`;
}

/** Once `one` is over, what `other` was sent before is still delivered; a broken connection breaks the other one, too. */
function closeTogether(one: Socket, other: Socket): void {
  one.once('close', () => {
    if (one.readableEnded) other.end(() => other.destroy());
    else breakOff(other);
  });
}

/** A reset where there is one, so that the peer does not take a broken stream for a complete one; unix sockets know none. */
function breakOff(socket: Socket): void {
  if (socket.remoteAddress === undefined) socket.destroy();
  else socket.resetAndDestroy();
}
