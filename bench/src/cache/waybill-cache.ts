import { randomBytes } from 'node:crypto';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { BenchError } from '../bench-error.ts';
import { freePort } from '../processes/free-port.ts';
import { runProgram, searchPath } from '../processes/run-program.ts';
import { startProgram } from '../processes/start-program.ts';
import type { CacheAddress, CacheServer } from './cache-server.ts';

const program = fileURLToPath(new URL('../../../tooling/bin/artifact-cache', import.meta.url));

/** The built artifact-cache, files and SQLite, reached as one kind of client reaches it. */
export function waybillCache(id: string, address: (origin: string) => CacheAddress): CacheServer {
  return {
    id,
    does: 'verifies, makes durable before it answers, keeps names in a database',
    async find() {
      const said = await runProgram(program, ['--version']);
      return { version: said.trim().split(/\s+/).at(-1) ?? 'unknown' };
    },
    async start(dir) {
      const port = await freePort();
      await mkdir(dir, { recursive: true });
      const config = {
        listen: [{ address: `127.0.0.1:${port}`, anonymous: 'write' }],
        namespaces: { '*': {} },
        storage: { blobs: `file:${join(dir, 'blobs')}`, database: `file:${join(dir, 'index.sqlite')}` },
      };
      const file = join(dir, 'config.yaml');
      // JSON is YAML.
      await writeFile(file, JSON.stringify(config));
      const running = await startProgram({
        name: id,
        program,
        args: ['serve', '--config', file],
        env: { PATH: searchPath, HOME: dir },
        logFile: join(dir, 'log'),
        ports: [port],
      });
      const origin = `http://127.0.0.1:${port}`;
      return { ...running, ...address(origin), askMissing: (count) => askMissing(origin, count) };
    },
  };
}

/** One question of our own protocol about blobs that nobody stored. */
async function askMissing(origin: string, count: number): Promise<void> {
  const blobs = Array.from({ length: count }, () => ({ sha256: randomBytes(32).toString('hex'), size: 1024 }));
  const answer = await fetch(`${origin}/v1/namespaces/bench/missing`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ blobs }),
  });
  const { missing } = (await answer.json()) as { missing?: readonly unknown[] };
  if (missing?.length !== count) {
    throw new BenchError('BENCH_ANSWER_WRONG', `${missing?.length} of ${count} blobs are said to be missing`);
  }
}

export const asBazel = (origin: string): CacheAddress => ({
  prefix: `${origin}/cas/`,
  suffix: '',
  headers: {},
  nameDigits: 64,
});

export const asTurbo = (origin: string): CacheAddress => ({
  prefix: `${origin}/v8/artifacts/`,
  suffix: '?slug=bench',
  headers: { 'Content-Type': 'application/octet-stream', 'x-artifact-duration': '1' },
  nameDigits: 16,
});

export const asKeyValue = (origin: string): CacheAddress => ({
  prefix: `${origin}/kv/bench/`,
  suffix: '',
  headers: {},
  nameDigits: 40,
});
