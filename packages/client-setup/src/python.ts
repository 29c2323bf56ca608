import { join } from 'node:path';
import type { Client, ClientContext } from './client.js';

/**
 * pip, requests, uv and poetry (their bundle variables are in `bundleVariables`). No cache, so that every file is downloaded in
 * the session; variables beat the user's `pip.conf`, of which only the index URLs are carried over, without credentials: the
 * home folder is not there in a sandbox. httpx and aiohttp follow the proxy variables and `SSL_CERT_FILE`.
 */
export const python: Client = async (context) => ({
  env: {
    PIP_CERT: context.bundle,
    PIP_PROXY: context.proxy.url,
    PIP_NO_CACHE_DIR: '1',
    PIP_DISABLE_PIP_VERSION_CHECK: '1',
    UV_NO_CACHE: '1',
    POETRY_CACHE_DIR: context.inside('python/poetry-cache'),
    ...(await indexUrls(context)),
    ...(await uvIndex(context)),
  },
});

async function indexUrls({ hostEnv, readHostFile }: ClientContext): Promise<Record<string, string>> {
  const found: Record<string, string> = {};
  for (const path of configurationFiles(hostEnv)) {
    for (const [, key = '', value = ''] of ((await readHostFile(path)) ?? '').matchAll(
      /^(index-url|extra-index-url)[ \t]*[=:][ \t]*(\S+)[ \t]*$/gm,
    )) {
      const name = `PIP_${key.toUpperCase().replaceAll('-', '_')}`;
      if (hostEnv[name] === undefined) found[name] = value.replace(/\/\/[^/@]*@/, '//');
    }
  }
  return found;
}

/** A settings file of ours would keep uv from reading the project's, so only its default index is carried over. */
async function uvIndex({ hostEnv, readHostFile }: ClientContext): Promise<Record<string, string>> {
  const { HOME, XDG_CONFIG_HOME, UV_DEFAULT_INDEX, UV_INDEX_URL } = hostEnv;
  if (UV_DEFAULT_INDEX !== undefined || UV_INDEX_URL !== undefined || !HOME) return {};
  const text = await readHostFile(join(XDG_CONFIG_HOME ?? join(HOME, '.config'), 'uv/uv.toml'));
  const url = /^index-url[ \t]*=[ \t]*"([^"\s]+)"/m.exec(text ?? '')?.[1];
  return url === undefined ? {} : { UV_DEFAULT_INDEX: url.replace(/\/\/[^/@]*@/, '//') };
}

/** Later ones win. */
function configurationFiles({ HOME, XDG_CONFIG_HOME, PIP_CONFIG_FILE }: Readonly<NodeJS.ProcessEnv>): string[] {
  const user = HOME
    ? [join(HOME, '.pip/pip.conf'), join(XDG_CONFIG_HOME ?? join(HOME, '.config'), 'pip/pip.conf')]
    : [];
  return PIP_CONFIG_FILE ? [...user, PIP_CONFIG_FILE] : user;
}
