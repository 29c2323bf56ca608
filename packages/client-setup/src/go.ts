import { join } from 'node:path';
import type { Client, ClientContext } from './client.js';

/** Settings of `go env -w` that say where modules come from. */
const carried = /^(GOPROXY|GOSUMDB|GOPRIVATE|GONOPROXY|GONOSUMDB)=(.+)$/gm;

/**
 * Go reads proxy and `SSL_CERT_FILE` from the environment. Modules are kept in the session (writable, so that the session can be
 * removed), hence downloaded through it. `GOPROXY` stays what the user chose: the service understands module proxies and
 * version control alike.
 */
export const go: Client = async (context) => ({
  env: {
    ...(await moduleSources(context)),
    GOMODCACHE: context.inside('go/mod'),
    GOFLAGS: [
      ...(context.hostEnv.GOFLAGS ?? '').split(' ').filter((flag) => flag !== '' && flag !== '-modcacherw'),
      '-modcacherw',
    ].join(' '),
  },
});

async function moduleSources({ hostEnv, readHostFile }: ClientContext): Promise<Record<string, string>> {
  const { GOENV, HOME, XDG_CONFIG_HOME } = hostEnv;
  const path = GOENV ?? (HOME ? join(XDG_CONFIG_HOME ?? join(HOME, '.config'), 'go/env') : undefined);
  const text = path === undefined || path === 'off' ? '' : ((await readHostFile(path)) ?? '');
  const found = [...text.matchAll(carried)].map(([, name = '', value = '']) => [name, value.trim()] as const);
  return Object.fromEntries(found.filter(([name]) => hostEnv[name] === undefined));
}
