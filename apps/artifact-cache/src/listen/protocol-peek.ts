import type { Socket } from 'node:net';
import type { TLSSocket } from 'node:tls';

/** No method of HTTP/1 begins so: the preface was chosen for that. RFC 9113 §3.4 */
const prefaceStart = Buffer.from('PRI * HTTP/2.0');

/**
 * Whether the client of a connection speaks HTTP/2: by ALPN where it took part in it, else by its first bytes, which are put
 * back. Undefined when it went away or said nothing in time.
 */
export async function speaksHttp2(socket: Socket, timeoutMs: number): Promise<boolean | undefined> {
  const { alpnProtocol } = socket as TLSSocket;
  if (typeof alpnProtocol === 'string') return alpnProtocol === 'h2';
  const { promise, resolve } = Promise.withResolvers<boolean | undefined>();
  const timer = setTimeout(() => resolve(undefined), timeoutMs);
  const gone = () => resolve(undefined);
  // Put back only when it is decided: bytes that are put back are told of again at once.
  let seen = Buffer.alloc(0);
  const look = () => {
    const found = socket.read() as Buffer | null;
    if (!found) return;
    seen = Buffer.concat([seen, found]);
    const length = Math.min(seen.length, prefaceStart.length);
    if (!seen.subarray(0, length).equals(prefaceStart.subarray(0, length))) resolve(false);
    else if (length === prefaceStart.length) resolve(true);
  };
  socket.on('readable', look).once('end', gone).once('close', gone);
  const answer = await promise;
  clearTimeout(timer);
  socket.removeListener('readable', look).removeListener('end', gone).removeListener('close', gone);
  if (seen.length > 0) socket.unshift(seen);
  return answer;
}
