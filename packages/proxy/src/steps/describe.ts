import type { ActiveSession, RequestView } from '@waybill/contracts';
import { normalizeUrl } from '@waybill/policy';
import type { ProxyContext } from '../context.js';
import { ProxyError } from '../errors.js';
import type { Exchange } from '../exchange.js';
import { type Authority, formatAuthority, isSameAuthority, parseHostHeader } from '../http/authority.js';
import { contentCodingOf, decodeBytes } from '../http/content-coding.js';
import { fieldValues, headerView, withoutFields } from '../http/headers.js';
import { framingFault } from '../http/request-framing.js';
import type { Tunnel } from '../incoming.js';
import { headlines, protocolStop, Stop } from '../stop.js';
import { type RequestBody, readRequestBody } from './request-body.js';

/** A request as the rest of the pipeline knows it. */
export interface DescribedRequest {
  readonly view: RequestView;
  readonly body: RequestBody;
}

/**
 * Finds out what is asked for, and from whom: the destination is the CONNECT authority in a tunnel and the URL's own outside;
 * whatever else names a host must agree. Reads the body as far as inspectors may see it.
 *
 * @throws Stop for anything that we do not carry
 */
export async function describe(
  exchange: Exchange,
  session: ActiveSession,
  context: ProxyContext,
): Promise<DescribedRequest> {
  const { request, connection } = exchange.incoming;
  const { headerFields, urlBytes, clientStallMs, clientStallBytes } = context.settings.limits;
  const method = request.method ?? '';
  if (request.rawHeaders.length > 2 * headerFields) {
    throw protocolStop(431, `the request has more than ${headerFields} header fields`);
  }
  if ((request.url?.length ?? 0) > urlBytes) throw protocolStop(414, `the URL has more than ${urlBytes} bytes`);
  const url = connection.tunnel ? tunnelUrl(exchange, connection.tunnel) : plainUrl(exchange);
  const view: RequestView = {
    method,
    url,
    normalizedUrl: normalizeUrl(url),
    headers: headerView(withoutFields(request.rawHeaders, (name) => name.startsWith('proxy-'))),
  };
  exchange.request = view;
  // TRACE shows the client what the upstream got, injected credentials among it (promise 6).
  if (method === 'TRACE' || method === 'CONNECT') throw protocolStop(405, `the method ${method} is not carried`);
  const fault = framingFault(request);
  if (fault) throw protocolStop(fault.status, fault.reason);
  checkExpectation(exchange);

  const maxBytes = session.limits.inspectedRequestBytes;
  const body = await readRequestBody(exchange, { maxBytes, stallMs: clientStallMs, stallBytes: clientStallBytes });
  const decoded = await decodedBody(body, view, session);
  exchange.request = decoded ? { ...view, body: decoded } : view;
  return { view: exchange.request, body };
}

function checkExpectation({ incoming: { request, expectsContinue } }: Exchange): void {
  const { expect } = request.headers;
  if (expect === undefined || expectsContinue || request.httpVersion !== '1.1') return;
  throw protocolStop(417, `Expect ${JSON.stringify(expect.slice(0, 100))}: only 100-continue is known`);
}

/** The Host field of a request in absolute form says nothing: upstream gets one made of the URL (RFC 9112 §3.2.2). */
function plainUrl(exchange: Exchange): URL {
  const { url: target = '' } = exchange.incoming.request;
  hostOf(exchange);
  if (target.startsWith('/') || target === '*') {
    throw protocolStop(
      400,
      'this is a proxy: it answers no requests of its own',
      'send absolute http:// URLs, or CONNECT for https',
    );
  }
  const url = parseUrl(target);
  if (url.protocol !== 'http:') {
    throw protocolStop(400, `the scheme ${url.protocol} is not carried in plain requests`, 'use CONNECT for https');
  }
  parseHost(url.host, 80);
  return withoutUser(url);
}

function tunnelUrl(exchange: Exchange, tunnel: Tunnel): URL {
  const { authority, scheme, serverName } = tunnel;
  const defaultPort = scheme === 'https' ? 443 : 80;
  const { request } = exchange.incoming;
  const named = formatAuthority(authority);
  if (serverName !== undefined && serverName !== authority.host) {
    throw protocolStop(421, `CONNECT named ${named} and the TLS handshake ${JSON.stringify(serverName.slice(0, 100))}`);
  }
  const host = hostOf(exchange);
  if (host === undefined && request.httpVersion !== '1.0') throw protocolStop(400, 'the request has no Host field');
  if (host !== undefined && host !== tunnel.agreedHost) {
    if (!isSameAuthority(parseHost(host, defaultPort), authority)) {
      throw protocolStop(
        421,
        `CONNECT named ${named} and the Host field ${JSON.stringify(host.slice(0, 100))}`,
        'open a tunnel of its own for each host',
      );
    }
    tunnel.agreedHost = host;
  }
  const target = request.url ?? '';
  if (target.startsWith('/')) return parseUrl(`${scheme}://${named}${target}`);
  const url = parseUrl(target);
  if (url.protocol !== `${scheme}:` || !isSameAuthority(parseHost(url.host, defaultPort), authority)) {
    throw protocolStop(421, `CONNECT named ${named} and the request ${url.protocol}//${url.host.slice(0, 100)}`);
  }
  return withoutUser(url);
}

/** RFC 9112 §3.2: with several, each server on the way may believe another one. */
function hostOf({ incoming: { request } }: Exchange): string | undefined {
  const hosts = fieldValues(request.rawHeaders, 'host');
  if (hosts.length > 1) throw protocolStop(400, 'the request has several Host fields');
  return hosts[0];
}

function parseUrl(text: string): URL {
  try {
    const url = new URL(text);
    if (text.includes('#')) url.hash = '';
    return url;
  } catch {
    throw protocolStop(
      400,
      `not a URL: ${JSON.stringify(text.slice(0, 200))}`,
      'send absolute http:// URLs, or CONNECT for https',
    );
  }
}

function parseHost(text: string, defaultPort: number): Authority {
  try {
    return parseHostHeader(text, defaultPort);
  } catch (error) {
    if (error instanceof ProxyError) throw protocolStop(400, error.message, error.hint);
    throw error;
  }
}

/** User info in a URL is for the client to turn into a header; nobody else gets to see it. */
function withoutUser(url: URL): URL {
  if (url.username === '' && url.password === '') return url;
  url.username = '';
  url.password = '';
  return url;
}

async function decodedBody(
  body: RequestBody,
  view: RequestView,
  session: ActiveSession,
): Promise<Uint8Array | undefined> {
  if (body.kind === 'none') return undefined;
  const { inspectedRequestBytes } = session.limits;
  if (body.kind === 'stream')
    return unlessStrict(413, `the request body is larger than ${inspectedRequestBytes} bytes`);
  try {
    const coding = contentCodingOf(view.headers.get('content-encoding'));
    return await decodeBytes(body.bytes, coding, inspectedRequestBytes);
  } catch (error) {
    if (!(error instanceof ProxyError)) throw error;
    return unlessStrict(
      error.code === 'PROXY_EXPANSION_LIMIT' ? 413 : 400,
      `the request cannot be inspected: ${error.message}`,
    );
  }

  function unlessStrict(status: number, reason: string): undefined {
    if (session.policy === 'permissive') return undefined;
    throw new Stop({
      kind: 'refusal',
      phase: 'request',
      status,
      headline: status === 413 ? headlines.tooLarge : headlines.denied,
      reason,
      hint: 'strict sessions pass on only what inspectors have seen; raise limits.inspected-request-bytes if this upload is wanted',
      closes: body.kind === 'stream',
    });
  }
}
