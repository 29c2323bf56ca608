import { request as httpRequest, type IncomingMessage } from 'node:http';
import { request as httpsRequest, type RequestOptions } from 'node:https';
import { connect as connectSocket, type Socket } from 'node:net';
import { connect as connectTls, type SecureContext } from 'node:tls';
import { ProxyError } from '../errors.js';
import { formatAuthority } from '../http/authority.js';
import type { Target } from './target.js';
import type { UpstreamProxy } from './upstream-proxy.js';

/** What a way through an upstream proxy needs. */
export interface ProxyTunnelOptions {
  readonly target: Target;
  readonly via: UpstreamProxy;
  readonly timeoutMs: number;
  readonly secureContext: SecureContext;
}

/**
 * A socket to the target through the upstream proxy: a CONNECT tunnel for https, the connection to the proxy itself for http
 * (requests are then written in absolute form).
 *
 * @throws ProxyError PROXY_UPSTREAM_PROXY
 */
export function openProxyTunnel(options: ProxyTunnelOptions): Promise<Socket> {
  return options.target.protocol === 'https:' ? openTunnel(options) : connectToProxy(options);
}

function openTunnel({ target, via, timeoutMs, secureContext }: ProxyTunnelOptions): Promise<Socket> {
  const { url, authorization } = via;
  const authority = formatAuthority(target.authority);
  const send = url.protocol === 'https:' ? httpsRequest : httpRequest;
  return new Promise((resolve, reject) => {
    const how: RequestOptions & { readonly secureContext: SecureContext } = {
      method: 'CONNECT',
      host: hostOf(url),
      port: portOf(url),
      path: authority,
      agent: false,
      timeout: timeoutMs,
      secureContext,
      rejectUnauthorized: true,
      headers: { host: authority, ...(authorization && { 'proxy-authorization': authorization }) },
    };
    const request = send(how);
    request.once('connect', (answer: IncomingMessage, socket: Socket, head: Buffer) => {
      socket.setTimeout(0);
      if (answer.statusCode === 200) {
        if (head.length > 0) socket.unshift(head);
        return resolve(socket);
      }
      socket.destroy();
      reject(refused(url, `answered CONNECT with ${answer.statusCode} ${answer.statusMessage ?? ''}`.trim()));
    });
    request.once('timeout', () => request.destroy(new Error(`no answer within ${timeoutMs} ms`)));
    request.once('error', (cause) => reject(unreachable(url, cause)));
    request.end();
  });
}

function connectToProxy({ via: { url }, timeoutMs, secureContext }: ProxyTunnelOptions): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const isTls = url.protocol === 'https:';
    const place = { host: hostOf(url), port: portOf(url) };
    const socket = isTls
      ? connectTls({ ...place, secureContext, rejectUnauthorized: true, servername: hostOf(url) })
      : connectSocket(place);
    const fail = (cause: Error) => {
      socket.destroy();
      reject(unreachable(url, cause));
    };
    socket.setTimeout(timeoutMs, () => fail(new Error(`no answer within ${timeoutMs} ms`)));
    socket.once('error', fail);
    socket.once(isTls ? 'secureConnect' : 'connect', () => {
      socket.setTimeout(0);
      socket.removeListener('error', fail);
      resolve(socket);
    });
  });
}

function hostOf(url: URL): string {
  return url.hostname.replace(/^\[|\]$/g, '');
}

function portOf(url: URL): number {
  return url.port === '' ? (url.protocol === 'https:' ? 443 : 80) : Number(url.port);
}

function unreachable(url: URL, cause: Error): ProxyError {
  return refused(url, `cannot be reached: ${cause.message}`, cause);
}

function refused(url: URL, why: string, cause?: Error): ProxyError {
  return new ProxyError('PROXY_UPSTREAM_PROXY', `the upstream proxy ${url.host} ${why}`, {
    cause,
    hint: 'check HTTP_PROXY, HTTPS_PROXY and NO_PROXY of the service and the credentials in them',
  });
}
