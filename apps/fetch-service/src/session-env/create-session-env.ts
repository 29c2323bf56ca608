import { readFile } from 'node:fs/promises';
import { join, posix, resolve } from 'node:path';
import { createClientSetup } from '@waybill/client-setup';
import { type RuntimeFile, runtimeFileSchema } from '@waybill/contracts';
import { defaultRuntimeFile } from '../daemon/runtime-file.js';
import { FetchServiceError, messageOf } from '../errors.js';
import { makeDirectory } from '../files/make-directory.js';
import type { SessionEnv } from './render-env.js';
import type { SessionCredentials } from './session-credentials.js';

/** What an environment is made from. */
export interface SessionEnvOptions {
  readonly credentials: SessionCredentials;
  /** Where files and caches go. */
  readonly dir: string;
  /** The same directory as the build sees it. */
  readonly pathInside: string | undefined;
  /** `http://host:port` of the proxy; the daemon of this machine when undefined. */
  readonly proxy: string | undefined;
  /** File with the CA; the daemon of this machine's when undefined. */
  readonly ca: string | undefined;
  readonly environment: Readonly<Record<string, string | undefined>>;
}

/**
 * Prepares clients for a session that is open: writes their files and gives the variables. The token is in the proxy's URL,
 * where clients look for it, and in files of mode 0600; nowhere else.
 * @throws FetchServiceError FETCH_OPTION_INVALID, ClientSetupError
 */
export async function createSessionEnv(options: SessionEnvOptions): Promise<SessionEnv> {
  const { credentials, environment } = options;
  const runtime = options.proxy === undefined || options.ca === undefined ? await readRuntime(environment) : undefined;
  const proxy = proxyUrl(options.proxy ?? runtime?.['proxy-url'] ?? '', credentials);
  const caPem = await readCa(options.ca ?? runtime?.['ca-file'] ?? '');
  const dir = resolve(options.dir);
  await makeDirectory(dir, 0o700);
  const setup = await createClientSetup({
    proxyUrl: proxy,
    caPem,
    dir,
    ...(options.pathInside !== undefined && { pathInside: options.pathInside }),
    hostEnv: environment,
  });
  const certificate = options.pathInside === undefined ? join(dir, 'ca.pem') : posix.join(options.pathInside, 'ca.pem');
  return {
    // craft and its relatives take the session from these.
    env: { ...setup.env, CRAFT_USE_EXTERNAL_FETCH_SERVICE: '1', CRAFT_PROXY_CERT: certificate },
    unset: setup.unset,
    files: setup.files,
  };
}

function proxyUrl(text: string, { id, token }: SessionCredentials): string {
  const url = URL.parse(text);
  if (url?.protocol !== 'http:' || url.username !== '' || url.password !== '') {
    throw new FetchServiceError('FETCH_OPTION_INVALID', 'the proxy is not of the form http://HOST:PORT', {
      hint: 'id and token do not belong into --proxy',
    });
  }
  url.username = encodeURIComponent(id);
  url.password = encodeURIComponent(token);
  return url.href.replace(/\/$/, '');
}

async function readCa(path: string): Promise<string> {
  return readFile(path, 'utf8').catch((cause: unknown) => {
    throw new FetchServiceError('FETCH_OPTION_INVALID', `the CA ${path} cannot be read: ${messageOf(cause)}`, {
      hint: 'save what the service serves as /ca.pem and name it with --ca',
      cause,
    });
  });
}

async function readRuntime(environment: SessionEnvOptions['environment']): Promise<RuntimeFile> {
  const path = defaultRuntimeFile(environment);
  try {
    return runtimeFileSchema.parse(JSON.parse(await readFile(path, 'utf8')));
  } catch (cause) {
    throw new FetchServiceError('FETCH_OPTION_INVALID', `no fetch-service of this user is known (${path})`, {
      hint: 'name its proxy and its CA: --proxy http://HOST:PORT --ca FILE',
      cause,
    });
  }
}
