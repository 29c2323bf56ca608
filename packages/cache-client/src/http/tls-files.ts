import { readFile } from 'node:fs/promises';
import { CacheClientError } from '../errors.js';
import type { RemoteAuth } from '../remotes/settings.js';

/** What a connection is secured with. */
export interface TlsFiles {
  readonly ca?: string;
  readonly cert?: string;
  readonly key?: string;
}

/** Reads the certificates of a remote. @throws CacheClientError CACHE_CONFIG_INVALID */
export async function readTlsFiles(auth: RemoteAuth): Promise<TlsFiles> {
  const [ca, cert, key] = await Promise.all([auth.serverCert, auth.clientCert, auth.clientKey].map(readSecret));
  return { ...(ca && { ca }), ...(cert && { cert }), ...(key && { key }) };
}

/** The content of a file that the configuration names. @throws CacheClientError CACHE_CONFIG_INVALID */
export async function readSecret(path: string | undefined): Promise<string | undefined> {
  if (path === undefined) return undefined;
  try {
    return await readFile(path, 'utf8');
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code;
    throw new CacheClientError(
      'CACHE_CONFIG_INVALID',
      `cannot read ${path}, which the cache's configuration names: ${code}`,
      {
        hint: 'correct the path under auth, or the rights of the file',
        cause: error,
      },
    );
  }
}
