import { createHash } from 'node:crypto';
import { Agent, request as httpRequest, type IncomingMessage, type RequestOptions } from 'node:http';
import type { Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { connect as connectTls } from 'node:tls';

/** Longer than anything that is only slow: what takes more hangs. */
const patienceMs = 90_000;

/** Digest of no bytes. */
export const nothing = createHash('sha256').digest('hex');

/** What came of one request: as much of it as came. */
export interface Got {
  readonly outcome: 'answered' | 'broken' | 'unauthorized' | 'unsent';
  readonly status?: number | undefined;
  readonly size: number;
  readonly sha256: string;
  readonly note?: string | undefined;
}

export interface Asking {
  readonly path: string;
  readonly method: 'GET' | 'HEAD';
  readonly headers: Readonly<Record<string, string>>;
  /** Stop reading, and close, after so many bytes. */
  readonly leaveAfter?: number | undefined;
  /** Wait so long after each piece. Milliseconds. */
  readonly slowMs?: number | undefined;
}

export interface Credentials {
  readonly id: string;
  readonly token: string;
}

/** A CONNECT tunnel through the proxy. */
export interface Tunnel {
  /** False when the next request needs a new one. */
  readonly isOpen: boolean;
  ask(asking: Asking): Promise<Got>;
  close(): void;
}

/** No tunnel: refused with a status, or not even that. */
export class TunnelError extends Error {
  readonly status: number | undefined;
  constructor(message: string, status?: number) {
    super(message);
    this.status = status;
  }
}

export interface TunnelOptions {
  readonly proxyPort: number;
  /** Root that the proxy's leaves are of, PEM. */
  readonly caPem: string;
  readonly credentials: Credentials;
  readonly origin: string;
}

/** Opens a tunnel and does the TLS handshake. @throws TunnelError */
export async function openTunnel(options: TunnelOptions): Promise<Tunnel> {
  const { host, hostname } = new URL(options.origin);
  const socket = await connectThrough(options, host);
  const tls = connectTls({ socket, servername: hostname, ca: options.caPem });
  let isOpen = true;
  // A TLS socket does not always hear of the end of what carries it.
  for (const end of [tls, socket]) {
    end.once('close', () => {
      isOpen = false;
      tls.destroy();
    });
  }
  await new Promise<void>((resolve, reject) => {
    tls.once('secureConnect', resolve);
    tls.once('error', (error) => reject(new TunnelError(`handshake: ${error.message}`)));
    for (const end of [tls, socket]) end.once('close', () => reject(new TunnelError('closed during the handshake')));
    if (socket.destroyed) reject(new TunnelError('closed before the handshake'));
  });
  tls.on('error', () => {});
  const agent = new Agent({ keepAlive: true, maxSockets: 1 });
  // Asked for a second connection when the first is gone while a request waits for it.
  agent.createConnection = (_options, done) => {
    if (isOpen && !tls.destroyed) return tls;
    done?.(new Error('the tunnel is closed'), tls);
    return undefined;
  };
  return {
    get isOpen() {
      return isOpen;
    },
    async ask(asking) {
      // A request on a connection that is gone would wait for ever.
      if (tls.destroyed || !isOpen)
        return { outcome: 'unsent', size: 0, sha256: nothing, note: 'the tunnel is closed' };
      const got = await ask({ agent, host, asking });
      if (got.outcome !== 'answered') tls.destroy();
      return got;
    },
    close() {
      isOpen = false;
      tls.destroy();
    },
  };
}

function connectThrough({ proxyPort, credentials }: TunnelOptions, authority: string): Promise<Socket> {
  const { id, token } = credentials;
  const basic = Buffer.from(`${id}:${token}`).toString('base64');
  return new Promise((resolve, reject) => {
    const request = httpRequest({
      host: '127.0.0.1',
      port: proxyPort,
      method: 'CONNECT',
      path: authority,
      agent: false,
      headers: { host: authority, 'proxy-authorization': `Basic ${basic}`, 'user-agent': 'tunnel' },
    });
    const timer = setTimeout(() => request.destroy(new Error('no answer to CONNECT')), patienceMs);
    request.once('error', (error) => reject(new TunnelError(`connect: ${error.message}`)));
    request.once('close', () => clearTimeout(timer));
    request.once('response', (response) => {
      response.resume();
      reject(new TunnelError(`CONNECT was answered ${response.statusCode}`, response.statusCode));
    });
    request.once('connect', (response: IncomingMessage, socket: Socket) => {
      if (response.statusCode === 200) return resolve(socket);
      socket.destroy();
      reject(new TunnelError(`CONNECT was answered ${response.statusCode}`, response.statusCode));
    });
    request.end();
  });
}

interface Sending {
  readonly agent: Agent;
  readonly host: string;
  readonly asking: Asking;
}

function ask({ agent, host, asking }: Sending): Promise<Got> {
  const { path, method, headers, leaveAfter = Number.POSITIVE_INFINITY, slowMs = 0 } = asking;
  const hash = createHash('sha256');
  let size = 0;
  let status: number | undefined;
  return new Promise((resolve) => {
    const settle = (outcome: Got['outcome'], note?: string) => {
      clearTimeout(timer);
      resolve({ outcome, status, size, sha256: hash.copy().digest('hex'), note });
    };
    const options: RequestOptions = { agent, method, path, headers: { host, ...headers } };
    const request = httpRequest(options, async (response) => {
      status = response.statusCode;
      try {
        for await (const chunk of response as AsyncIterable<Buffer>) {
          hash.update(chunk);
          size += chunk.length;
          if (size >= leaveAfter) {
            request.destroy();
            return settle('broken', 'left');
          }
          if (slowMs > 0) await sleep(slowMs);
        }
        settle(response.complete ? 'answered' : 'broken');
      } catch (error) {
        settle('broken', (error as Error).message);
      }
    });
    const timer = setTimeout(() => request.destroy(new Error('the client lost its patience')), patienceMs);
    request.once('error', (error) => settle('broken', error.message));
    request.end();
  });
}
