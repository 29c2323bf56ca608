import { existsSync } from 'node:fs';
import { mkdir, readdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { allowLoopback, binDir } from './daemon.js';
import { type Ran, run } from './run.js';
import { createTempDir } from './temp-dir.js';

/** Directories of a daemon that is not meant to get ready. */
export interface Workplace {
  at(...names: string[]): string;
  /** Runs `fetch-service` to its end; later arguments win over the workplace's own. */
  serve(args?: readonly string[], env?: NodeJS.ProcessEnv): Promise<Ran>;
  /** What a start that failed must not leave: runtime file, socket, probes. */
  leftovers(): Promise<string[]>;
  close(): Promise<void>;
}

export async function createWorkplace(inspectors = '{}\n'): Promise<Workplace> {
  const dir = await createTempDir();
  await mkdir(dir.at('config'));
  await mkdir(dir.at('spool'));
  await writeFile(dir.at('config', 'inspectors.yaml'), inspectors);
  await writeFile(dir.at('config', 'acl.yaml'), allowLoopback);
  const own = [
    ...['--control-port=0', '--proxy-port=0', '--control-host=127.0.0.1', '--proxy-host=127.0.0.1'],
    ...[`--config=${dir.at('config')}`, `--spool=${dir.at('spool')}`],
    ...[`--runtime-file=${dir.at('run', 'fetch-service.json')}`, `--socket=${dir.at('fetchctl.socket')}`],
  ];
  return {
    at: dir.at,
    serve: (args = [], env = {}) =>
      run(join(binDir, 'fetch-service'), [...own, ...args], {
        env: { HOME: dir.path, FETCH_SERVICE_AUTH: 'craft:craft', ...env },
        timeoutMs: 60_000,
      }),
    async leftovers() {
      const files = existsSync(dir.path) ? await readdir(dir.path, { recursive: true }) : [];
      return files.filter((file) => /fetch-service\.json|fetchctl\.socket|probe|\.tmp|\.new/.test(file));
    },
    close: dir.close,
  };
}
