import { existsSync } from 'node:fs';
import { join } from 'node:path';
import type { UserSettings } from './user-settings.js';

type Env = Readonly<NodeJS.ProcessEnv>;

/**
 * Where tools look for themselves below the user's home, which is another one in a build: the stand-ins of rustup and pyenv on
 * PATH are nothing without what lies behind them. Programs only; nothing that says where from or as whom to download.
 */
export function toolchains(env: Env): UserSettings {
  const found = [rustup(env), pyenv(env)];
  return {
    readable: found.flatMap(({ readable }) => readable),
    env: Object.assign({}, ...found.map((one) => one.env)) as Record<string, string>,
  };
}

const none: UserSettings = { readable: [], env: {} };

function rustup(env: Env): UserSettings {
  const home = env.RUSTUP_HOME ?? (env.HOME === undefined ? undefined : join(env.HOME, '.rustup'));
  if (home === undefined || !existsSync(join(home, 'settings.toml'))) return none;
  return { readable: [join(home, 'settings.toml'), join(home, 'toolchains')], env: { RUSTUP_HOME: home } };
}

function pyenv(env: Env): UserSettings {
  const root = env.PYENV_ROOT ?? (env.HOME === undefined ? undefined : join(env.HOME, '.pyenv'));
  if (root === undefined || !existsSync(join(root, 'versions'))) return none;
  const parts = ['bin', 'libexec', 'pyenv.d', 'shims', 'version', 'versions'].map((name) => join(root, name));
  return {
    readable: parts.filter((path) => existsSync(path)),
    env: { PYENV_ROOT: root, ...(env.PYENV_VERSION && { PYENV_VERSION: env.PYENV_VERSION }) },
  };
}
