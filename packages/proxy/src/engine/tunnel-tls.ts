import type { Socket } from 'node:net';
import { type SecureContext, TLSSocket } from 'node:tls';
import { setCarrier } from './reset-socket.js';

/** What became of a client's handshake. */
export type Handshake =
  | { readonly kind: 'done'; readonly socket: TLSSocket; readonly serverName: string | undefined }
  | {
      /** The client went away without a word, or never said one. */
      readonly kind: 'left';
    }
  | { readonly kind: 'failed'; readonly reason: string; readonly hint: string | undefined };

/** Terminates TLS on a socket in process. */
export function acceptTls(
  socket: Socket,
  { context, timeoutMs }: { readonly context: SecureContext; readonly timeoutMs: number },
): Promise<Handshake> {
  // An end that was read before TLS takes over would never get there.
  if (socket.readableEnded) {
    socket.destroy();
    return Promise.resolve({ kind: 'left' });
  }
  socket.once('end', () => socket.destroy());
  return new Promise((resolve) => {
    const tls = new TLSSocket(socket, { isServer: true, secureContext: context, ALPNProtocols: ['http/1.1'] });
    setCarrier(socket, tls);
    const leave = () => tls.destroy();
    const timer = setTimeout(leave, timeoutMs);
    const settle = (handshake: Handshake) => {
      clearTimeout(timer);
      resolve(handshake);
    };
    tls.once('end', leave);
    tls.once('secure', () => {
      tls.off('end', leave);
      const { servername } = tls as TLSSocket & { readonly servername?: string | false | null };
      settle({
        kind: 'done',
        socket: tls,
        serverName: servername ? servername.toLowerCase().replace(/\.$/, '') : undefined,
      });
    });
    tls.on('error', (error: NodeJS.ErrnoException) => {
      settle(explainHandshakeFailure(error));
      socket.destroy();
    });
    tls.once('close', () => {
      settle({ kind: 'left' });
      socket.destroy();
    });
  });
}

/** What went wrong, in words; connections that only end are no failure. */
export function explainHandshakeFailure(error: NodeJS.ErrnoException): Handshake {
  const code = error.code ?? '';
  if (code === 'ECONNRESET' || code === 'EPIPE') return { kind: 'left' };
  if (
    /HTTP_REQUEST|WRONG_VERSION_NUMBER|HTTPS_PROXY_REQUEST|UNEXPECTED_MESSAGE|PACKET_LENGTH|RECORD_LAYER|BAD_RECORD_TYPE/.test(
      code,
    )
  ) {
    return {
      kind: 'failed',
      reason: `the client spoke something else than TLS inside CONNECT (${code})`,
      hint: 'send plain http requests to the proxy in absolute form, without CONNECT',
    };
  }
  if (/ALERT/.test(code)) {
    return {
      kind: 'failed',
      reason: `the client broke the TLS handshake off (${code})`,
      hint: 'does the client trust the root certificate of this service?',
    };
  }
  return {
    kind: 'failed',
    reason: `the TLS handshake with the client failed (${code || error.message})`,
    hint: undefined,
  };
}
