import { join } from 'node:path';
import type { Client, ClientContext } from './client.js';

/** Settings of the user's `.npmrc` that say where packages come from; everything else could be a secret or a way around. */
const carried = /^(?:registry|@[^:=\s]+:registry|replace-registry-host|nodedir)$/;

/**
 * npm, pnpm, yarn and bun (which trusts as Node does). Caches and stores lie in the session, so that every package is downloaded through it and recorded. The
 * user's `.npmrc` is replaced by one with its registries only: tokens stay outside (sessions inject credentials), and neither
 * `noproxy` nor `strict-ssl=false` gets in. Calls that are not downloads (audit, funding, update checks) are off, because a
 * strict session would refuse them.
 */
export const npm: Client = async (context) => {
  const { proxy, bundle, inside } = context;
  const trust = { cafile: bundle, strict_ssl: 'true', https_proxy: proxy.url };
  return {
    env: {
      ...prefixed('npm_config_', {
        ...trust,
        proxy: proxy.url,
        // npm takes an empty value for none at all and then reads the files.
        noproxy: 'none.invalid',
        cache: inside('npm/cache'),
        userconfig: inside('npm/npmrc'),
        audit: 'false',
        fund: 'false',
        update_notifier: 'false',
      }),
      // pnpm 11 and newer read these instead; older ones keep their store in PNPM_HOME.
      ...prefixed('pnpm_config_', {
        ...trust,
        http_proxy: proxy.url,
        noproxy: 'none.invalid',
        store_dir: inside('npm/pnpm/store'),
        cache_dir: inside('npm/pnpm/cache'),
      }),
      PNPM_HOME: inside('npm/pnpm'),
      YARN_HTTP_PROXY: proxy.url,
      YARN_HTTPS_PROXY: proxy.url,
      YARN_HTTPS_CA_FILE_PATH: bundle,
      YARN_CACHE_FOLDER: inside('npm/yarn-cache'),
      YARN_GLOBAL_FOLDER: inside('npm/yarn-global'),
      YARN_ENABLE_TELEMETRY: '0',
      BUN_INSTALL_CACHE_DIR: inside('npm/bun-cache'),
      DO_NOT_TRACK: '1',
    },
    files: [
      { name: 'npm/npmrc', content: await registries(context), description: "npm's user settings: registries only" },
    ],
  };
};

async function registries({ hostEnv, readHostFile }: ClientContext): Promise<string> {
  const named = hostEnv.npm_config_userconfig ?? hostEnv.NPM_CONFIG_USERCONFIG;
  const path = named ?? (hostEnv.HOME ? join(hostEnv.HOME, '.npmrc') : undefined);
  const lines = (path === undefined ? '' : ((await readHostFile(path)) ?? '')).split(/\r?\n/);
  const kept = lines.flatMap((line) => {
    const [key = '', ...value] = line.split('=');
    // User info in a registry URL is a credential too.
    return carried.test(key.trim())
      ? [
          `${key.trim()}=${value
            .join('=')
            .trim()
            .replace(/\/\/[^/@]*@/, '//')}`,
        ]
      : [];
  });
  return ['; Registries of the user, without credentials.', ...kept, ''].join('\n');
}

function prefixed(prefix: string, settings: Readonly<Record<string, string>>): Record<string, string> {
  return Object.fromEntries(Object.entries(settings).map(([key, value]) => [`${prefix}${key}`, value]));
}
