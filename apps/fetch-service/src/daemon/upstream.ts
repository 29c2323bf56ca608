import { readFile } from 'node:fs/promises';
import { getCACertificates } from 'node:tls';
import { FetchServiceError, messageOf } from '../errors.js';

/** How the proxy reaches upstreams. */
export interface UpstreamSettings {
  readonly ca: readonly string[];
  readonly httpProxy: string | undefined;
  readonly httpsProxy: string | undefined;
  readonly noProxy: string | undefined;
}

/**
 * Upper-case variables before lower-case ones, ALL_PROXY as fallback (specs/fetch-service.md §3.7); roots of the system, of
 * NODE_EXTRA_CA_CERTS and of `--upstream-ca`.
 * @throws FetchServiceError FETCH_OPTION_INVALID
 */
export async function upstreamSettings(
  environment: Readonly<Record<string, string | undefined>>,
  caFiles: readonly string[],
): Promise<UpstreamSettings> {
  const variable = (name: string) => environment[name] || environment[name.toLowerCase()] || undefined;
  const all = variable('ALL_PROXY');
  return {
    ca: [...new Set([...systemRoots(), ...getCACertificates('extra'), ...(await readRoots(caFiles))])],
    httpProxy: variable('HTTP_PROXY') ?? all,
    httpsProxy: variable('HTTPS_PROXY') ?? all,
    noProxy: variable('NO_PROXY'),
  };
}

function systemRoots(): string[] {
  const system = getCACertificates('system');
  return system.length > 0 ? system : getCACertificates('default');
}

async function readRoots(files: readonly string[]): Promise<string[]> {
  const found: string[] = [];
  for (const file of files) {
    const text = await readFile(file, 'utf8').catch((cause: unknown) => {
      throw new FetchServiceError('FETCH_OPTION_INVALID', `--upstream-ca ${file} cannot be read: ${messageOf(cause)}`, {
        cause,
      });
    });
    const blocks = text.match(/-----BEGIN CERTIFICATE-----[\s\S]*?-----END CERTIFICATE-----/g);
    if (!blocks) throw new FetchServiceError('FETCH_OPTION_INVALID', `--upstream-ca ${file} holds no PEM certificate`);
    found.push(...blocks);
  }
  return found;
}
