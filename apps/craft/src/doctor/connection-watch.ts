/** What one connection of a client to the proxy showed. */
export interface SeenConnection {
  /** Host of the first request, without port. */
  readonly host: string;
  /** Whether a request with the session's credentials was not answered with 407. */
  readonly isAuthorized: boolean;
  /** Whether credentials came at all. */
  readonly sentCredentials: boolean;
  /** Whether the client sent a request inside TLS, hence took the certificate; undefined when it never came so far. */
  readonly acceptedCa: boolean | undefined;
}

const largestHead = 64 << 10;
/** Records of TLS: change of cipher, handshake, application data. */
const [cipherChange, handshake, applicationData] = [20, 22, 23];
/** An alert of TLS 1.3 looks like data of 19 bytes; a request, and the message that ends the handshake, are longer. */
const smallestMessage = 40;

/**
 * Reads along with one connection to the proxy. Whether a certificate was accepted shows in what the client sends: in TLS 1.3
 * the end of the handshake and then a request, two records with more than an alert in them; in TLS 1.2 the first is a
 * handshake record, after the change of cipher, and one is enough.
 * @see RFC 8446 sections 5.1 and 5.2
 */
export function watchConnection(authorization: string) {
  let head = '';
  let answers = '';
  let isTunnel = false;
  let isEncrypted = false;
  let isOlder = false;
  let messages = 0;
  let left = Buffer.alloc(0);

  function records(chunk: Buffer): void {
    left = Buffer.concat([left, chunk]);
    while (left.length >= 5) {
      const [type, length] = [left[0] as number, left.readUInt16BE(3)];
      if (left.length < 5 + length) return;
      if (type === cipherChange) isEncrypted = true;
      if (type === handshake && isEncrypted) isOlder = true;
      if (type === applicationData && length >= smallestMessage) messages += 1;
      left = left.subarray(5 + length);
    }
  }

  return {
    fromClient(chunk: Buffer): void {
      if (isTunnel) records(chunk);
      else if (head.length < largestHead) head += chunk.toString('latin1');
    },
    fromProxy(chunk: Buffer): void {
      if (isTunnel || answers.length >= largestHead) return;
      answers += chunk.toString('latin1');
      isTunnel = /^CONNECT /m.test(head) && /^HTTP\/1\.[01] 2\d\d[^\n]*\n(?:[^\r\n]+\r?\n)*\r?\n$/m.test(answers);
    },
    seen(): SeenConnection | undefined {
      const [, method, target = ''] = /^(\S+) (\S+) HTTP\//.exec(head) ?? [];
      if (method === undefined) return undefined;
      const url = URL.parse(method === 'CONNECT' ? `http://${target}` : target);
      const credentials = [...head.matchAll(/^proxy-authorization:[ \t]*(\S+ \S+)/gim)].map(([, value]) => value);
      const status = [...answers.matchAll(/^HTTP\/1\.[01] (\d{3})/gm)].at(-1)?.[1];
      return {
        host: url?.hostname ?? '',
        sentCredentials: credentials.length > 0,
        isAuthorized: credentials.includes(authorization) && status !== undefined && status !== '407',
        acceptedCa: isTunnel && /^CONNECT \S+:443 /m.test(head) ? messages >= (isOlder ? 1 : 2) : undefined,
      };
    },
  };
}
