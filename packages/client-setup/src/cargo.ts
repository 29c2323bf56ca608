import { join } from 'node:path';
import type { Client, ClientContext } from './client.js';

/**
 * cargo. Its home lies in the session, so that crates are downloaded through it and recorded; of the user's settings the file
 * `config.toml` is carried over (it says where crates come from), without tokens. git dependencies are fetched by git itself,
 * which is set up on its own and whose traffic the git inspectors know.
 */
export const cargo: Client = async (context) => ({
  env: {
    CARGO_HOME: context.inside('cargo'),
    CARGO_HTTP_PROXY: context.proxy.url,
    CARGO_HTTP_CAINFO: context.bundle,
    CARGO_NET_GIT_FETCH_WITH_CLI: 'true',
  },
  files: [
    {
      name: 'cargo/config.toml',
      content: await settings(context),
      description: "cargo's settings: where crates come from",
    },
  ],
});

async function settings({ hostEnv, readHostFile }: ClientContext): Promise<string> {
  const home = hostEnv.CARGO_HOME ?? (hostEnv.HOME ? join(hostEnv.HOME, '.cargo') : undefined);
  if (home === undefined) return '';
  const text = (await readHostFile(join(home, 'config.toml'))) ?? (await readHostFile(join(home, 'config'))) ?? '';
  return text
    .split(/\r?\n/)
    .filter((line) => !/token|secret|credential|password/i.test(line))
    .join('\n');
}
