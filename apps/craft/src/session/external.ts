import { X509Certificate } from 'node:crypto';
import { readFile, stat } from 'node:fs/promises';
import { connect } from 'node:net';
import { CraftError } from '../errors.js';
import type { BuildSession } from './session.js';

const connectMs = 5_000;

/** Whether the caller asks for a session that somebody else opened: exactly `1` counts. */
export function wantsExternalSession(env: Readonly<NodeJS.ProcessEnv>): boolean {
  return env.CRAFT_USE_EXTERNAL_FETCH_SERVICE === '1';
}

/**
 * Takes a session that somebody else opened, from CRAFT_PROXY_CERT, http_proxy and https_proxy. Everything is checked here,
 * before anything is touched. The service's control API is not used: whoever opened the session closes it.
 * @throws CraftError CRAFT_EXTERNAL_INVALID, CRAFT_EXTERNAL_UNREACHABLE
 */
export async function openExternalSession(env: Readonly<NodeJS.ProcessEnv>): Promise<BuildSession> {
  const caPem = await readCertificate(env.CRAFT_PROXY_CERT);
  const proxy = readProxy('http_proxy', env.http_proxy);
  const secure = readProxy('https_proxy', env.https_proxy);
  if (proxy.href !== secure.href) {
    throw invalid('http_proxy and https_proxy name different proxies', 'set both to the URL of the session');
  }
  await reach(proxy);
  return {
    kind: 'external',
    id: decodeURIComponent(proxy.username),
    policy: undefined,
    proxyUrl: proxy.href.replace(/\/$/, ''),
    caPem,
    hide: [],
    follow() {},
    finish: async () => undefined,
    keep: async () => undefined,
    discard: async () => undefined,
  };
}

async function readCertificate(path: string | undefined): Promise<string> {
  if (!path) throw invalid('CRAFT_PROXY_CERT is not set', "set it to the file with the session's CA certificate");
  const info = await stat(path).catch((cause: unknown) => {
    throw invalid(
      `CRAFT_PROXY_CERT names ${path}, which cannot be read: ${(cause as Error).message}`,
      undefined,
      cause,
    );
  });
  if (!info.isFile()) throw invalid(`CRAFT_PROXY_CERT names ${path}, which is not a regular file`);
  const pem = await readFile(path, 'utf8').catch((cause: unknown) => {
    throw invalid(
      `CRAFT_PROXY_CERT names ${path}, which cannot be read: ${(cause as Error).message}`,
      undefined,
      cause,
    );
  });
  let certificate: X509Certificate;
  try {
    certificate = new X509Certificate(pem);
  } catch (cause) {
    throw invalid(
      `${path} (CRAFT_PROXY_CERT) is not a PEM certificate`,
      'use the file that the fetch service serves as /ca.pem',
      cause,
    );
  }
  if (!certificate.ca) throw invalid(`${path} (CRAFT_PROXY_CERT) is not the certificate of a CA`);
  const now = Date.now();
  if (certificate.validToDate.getTime() < now || certificate.validFromDate.getTime() > now) {
    throw invalid(
      `${path} (CRAFT_PROXY_CERT) is valid from ${certificate.validFrom} to ${certificate.validTo}, which is not now`,
    );
  }
  return pem;
}

function readProxy(name: string, value: string | undefined): URL {
  const wanted = 'http://<session id>:<token>@<host>:<port>/';
  if (!value) throw invalid(`${name} is not set`, `set it to the URL of the session: ${wanted}`);
  const url = URL.canParse(value) ? new URL(value) : undefined;
  // The value itself is not shown: it holds the token.
  if (!url) throw invalid(`${name} is not a URL`, `expected ${wanted}`);
  if (url.protocol !== 'http:')
    throw invalid(`${name} has the scheme ${url.protocol}, expected http:`, `expected ${wanted}`);
  if (!url.username || !url.password) throw invalid(`${name} lacks the session's id and token`, `expected ${wanted}`);
  if (!url.port && !/:80(\/|$)/.test(value)) throw invalid(`${name} lacks a port`, `expected ${wanted}`);
  return url;
}

function reach(proxy: URL): Promise<void> {
  const host = proxy.hostname.replace(/^\[|\]$/g, '');
  const port = Number(proxy.port || 80);
  return new Promise((resolve, reject) => {
    const socket = connect({ host, port, timeout: connectMs });
    const fail = (why: string, cause?: unknown) => {
      socket.destroy();
      reject(
        new CraftError(
          'CRAFT_EXTERNAL_UNREACHABLE',
          `the proxy of the external session, ${host}:${port}, cannot be reached: ${why}`,
          {
            hint: 'is the fetch service running, and does http_proxy name its proxy port?',
            cause,
          },
        ),
      );
    };
    socket.once('connect', () => {
      socket.destroy();
      resolve();
    });
    socket.once('timeout', () => fail(`no answer within ${connectMs / 1000} s`));
    socket.once('error', (error) => fail(error.message || String((error as NodeJS.ErrnoException).code), error));
  });
}

function invalid(message: string, hint?: string, cause?: unknown): CraftError {
  return new CraftError('CRAFT_EXTERNAL_INVALID', message, { ...(hint === undefined ? {} : { hint }), cause });
}
