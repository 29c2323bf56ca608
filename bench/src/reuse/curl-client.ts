import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { BenchError } from '../bench-error.ts';
import type { NpmMirror } from './npm-mirror.ts';
import { tarballPath } from './npm-origin.ts';

/** What npm has under way at a time. */
const underWay = 15;

/**
 * Fetches the tarballs of a project as npm does, fifteen at a time, and does nothing with them: what the network and those who
 * serve cost, without npm's own work.
 * @returns milliseconds
 * @throws BenchError `BENCH_ANSWER_WRONG`
 */
export async function fetchOnce(
  dir: string,
  { packages }: NpmMirror,
  {
    base,
    caFile,
    proxyUrl,
  }: { readonly base: string; readonly caFile: string; readonly proxyUrl?: string | undefined },
): Promise<number> {
  const list = join(dir, 'tarballs.curlrc');
  const entries = packages.map(
    ({ name, entry }) => `url = "${base}${tarballPath(name, entry.version)}"\noutput = "/dev/null"\n`,
  );
  await writeFile(list, entries.join(''));
  const args = ['--disable', '--silent', '--show-error', '--fail', '--http1.1', '--cacert', caFile];
  const startedMs = performance.now();
  const child = spawn('curl', [...args, '--parallel', '--parallel-max', String(underWay), '--config', list], {
    env: { PATH: process.env.PATH, ...(proxyUrl && { HTTPS_PROXY: proxyUrl }) },
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  let said = '';
  child.stderr.on('data', (chunk: Buffer) => {
    said = (said + chunk.toString()).slice(-2_000);
  });
  const [code] = await once(child, 'close');
  if (code !== 0) throw new BenchError('BENCH_ANSWER_WRONG', `curl ended with ${code}:\n${said}`);
  return performance.now() - startedMs;
}
