import type { Socket } from 'node:net';

/** TLS on top of a socket: ending it shuts the socket down without a trace in the socket's own state. */
const carriers = new WeakMap<Socket, Socket>();

/** Notes what is written to instead of the socket from now on, for whoever knows only the socket. */
export function setCarrier(socket: Socket, carrier: Socket): void {
  carriers.set(socket, carrier);
}

/**
 * Ends a TCP connection with a reset, so that not even bytes in the kernel's buffers get out. After a shutdown libuv refuses
 * to reset, and Node would then neither close the handle nor emit `close`: what has been ended is destroyed instead.
 */
export function resetSocket(socket: Socket): void {
  if (socket.destroyed) return;
  const carrier = carriers.get(socket) ?? socket;
  if (socket.writableEnded || carrier.writableEnded) carrier.destroy();
  else socket.resetAndDestroy();
}
