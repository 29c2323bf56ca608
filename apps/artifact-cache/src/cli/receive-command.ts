import { loadConfig } from '../config/load-config.js';
import { findRepository } from '../receive/asked-namespace.js';
import { receive } from '../receive/receive.js';
import { type OpenCache, openCache } from '../serve/open-cache.js';

/** What sshd's forced command says. */
export interface ReceiveFlags {
  readonly principal?: string | undefined;
  readonly key?: string | undefined;
  readonly verbose?: boolean | undefined;
}

/** Runs one ssh session over the store that the server serves. Resolves to the exit code. */
export async function receiveCommand(
  repository: string,
  flags: ReceiveFlags,
  { env, cwd }: { env: Readonly<Record<string, string | undefined>>; cwd: string },
): Promise<number> {
  let opened: OpenCache | undefined;
  let found: ReturnType<typeof findRepository> | undefined;
  try {
    found = findRepository(repository, cwd);
    const { config } = found;
    const openServing = async () => {
      const loaded = await loadConfig(config, env);
      opened = await openCache(loaded.config);
      return opened.serving;
    };
    const { stdin, stdout, stderr } = process;
    return await receive(openServing, { ...flags, namespace: found.namespace, env, stdin, stdout, stderr });
  } finally {
    await opened?.close();
  }
}
