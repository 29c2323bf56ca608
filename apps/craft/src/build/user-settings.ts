import { existsSync } from 'node:fs';
import { isAbsolute, join } from 'node:path';

/** Settings of the user's own clients that an ordinary build in a sandbox may read. */
export interface UserSettings {
  /** Paths to show inside. */
  readonly readable: readonly string[];
  readonly env: Readonly<Record<string, string>>;
}

/** Variables that name a file or directory of certificates to trust; an ordinary build gets them, so it must see what they name. */
const trust =
  /^(NODE_EXTRA_CA_CERTS|SSL_CERT_(FILE|DIR)|REQUESTS_CA_BUNDLE|CURL_CA_BUNDLE|GIT_SSL_CAINFO|npm_config_cafile|pip_cert|cargo_http_cainfo)$/i;

/**
 * Where npm and git of an ordinary build find the user's settings (registries, mirrors, names), although its home is another
 * one: without them it would download from elsewhere than the user does. A session has settings of its own instead.
 */
export function userSettings(env: Readonly<NodeJS.ProcessEnv>): UserSettings {
  const home = env.HOME;
  const files = {
    npm_config_userconfig: env.npm_config_userconfig ?? env.NPM_CONFIG_USERCONFIG ?? (home && join(home, '.npmrc')),
    GIT_CONFIG_GLOBAL: env.GIT_CONFIG_GLOBAL ?? (home && join(home, '.gitconfig')),
  };
  const found = Object.entries(files).filter(
    (pair): pair is [string, string] => pair[1] !== undefined && existsSync(pair[1]),
  );
  const trusted = Object.entries(env).flatMap(([name, path = '']) =>
    trust.test(name) && isAbsolute(path) && existsSync(path) ? [path] : [],
  );
  return { readable: [...found.map(([, path]) => path), ...trusted], env: Object.fromEntries(found) };
}
