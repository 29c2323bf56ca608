import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { TestContext } from 'vitest';
import { binDir, type Daemon, startDaemon } from './daemon.js';
import { keepForTest } from './keep.js';
import { type Ran, run } from './run.js';
import { createTempDir } from './temp-dir.js';

/** What decides on this machine how registries are reached: nothing else of its environment gets to a client under test. */
export function networkEnv(): NodeJS.ProcessEnv {
  const wanted = /^((https?|all|no)_proxy|NODE_EXTRA_CA_CERTS|NODE_USE_SYSTEM_CA|SSL_CERT_(FILE|DIR))$/i;
  return Object.fromEntries(Object.entries(process.env).filter(([name]) => wanted.test(name)));
}

/** A daemon with what `config init` finds of one client's own configuration; no origin is named here. */
export async function startConfiguredDaemon(
  client: `--${'npm' | 'apt' | 'pip' | 'cargo' | 'go' | 'maven'}`,
): Promise<Daemon> {
  const dir = keepForTest(await createTempDir());
  const made = await run(join(binDir, 'fetch-service'), ['config', 'init', client, `--output=${dir.at('conf')}`], {
    env: { HOME: process.env.HOME, ...networkEnv() },
  });
  if (made.code !== 0) throw new Error(`fetch-service config init ${client}:\n${made.stderr}`);
  return keepForTest(
    await startDaemon({
      inspectors: await readFile(dir.at('conf', 'inspectors.yaml'), 'utf8'),
      acl: await readFile(dir.at('conf', 'acl.yaml'), 'utf8'),
      env: networkEnv(),
    }),
  );
}

/** Skips the test when a client cannot reach its registry without us either: then there is nothing to find out. */
export function skipUnlessReached(context: TestContext, probe: Pick<Ran, 'code' | 'stderr'>): void {
  if (probe.code === 0) return;
  const lines = probe.stderr.split('\n').filter((line) => /error|^E:/i.test(line));
  const said = lines.slice(0, 3).join(' ').slice(0, 300);
  context.skip(`the registry cannot be reached from here without the proxy either: ${said}`);
}
