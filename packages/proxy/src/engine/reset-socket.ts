import type { Socket } from 'node:net';

/**
 * Ends a TCP connection with a reset, so that not even bytes in the kernel's buffers get out. After a shutdown libuv refuses
 * to reset, and Node would then neither close the handle nor emit `close`: what has been ended is destroyed instead.
 *
 * @param carrier what is written to: the socket itself, or TLS on top of it
 */
export function resetSocket(socket: Socket, carrier: Socket = socket): void {
  if (socket.destroyed) return;
  if (socket.writableEnded || carrier.writableEnded) carrier.destroy();
  else socket.resetAndDestroy();
}
