import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { run } from './run.js';
import type { Session } from './session.js';
import { createTempDir } from './temp-dir.js';

/** A download that a client completed. */
export interface Completed {
  readonly url: string;
  readonly sha256: string;
}

/** Clients that download as long as they are not told to stop. */
export interface Load {
  /** So far. */
  readonly completed: readonly Completed[];
  /** What clients saw go wrong: `kept: <url>: 0 Recv failure`. */
  readonly failed: readonly string[];
  /** Resolves when all clients are through. */
  stop(): Promise<void>;
}

/** How clients use connections: kept ones, several at a time, one for each request. */
const clients: Readonly<Record<string, readonly string[]>> = {
  kept: [],
  parallel: ['--parallel', '--parallel-max', '3'],
  fresh: ['--header', 'Connection: close'],
};

/** @param urlsOf a dozen URLs, each time others */
export function startCurlLoad(session: Session, urlsOf: (client: string, round: number) => readonly string[]): Load {
  const completed: Completed[] = [];
  const failed: string[] = [];
  let isOver = false;
  const work = async (name: string) => {
    const dir = await createTempDir();
    try {
      for (let round = 0; !isOver; round++) {
        const files = urlsOf(name, round).map((url, n) => ({ url, file: dir.at(`${n}`) }));
        const lines = files.flatMap(({ url, file }) => [`url = "${url}"`, `output = "${file}"`]);
        const options = [...common(session), ...(clients[name] ?? []), '--config', '-'];
        const { stdout, stderr } = await run('curl', options, { input: lines.join('\n') });
        const ends = new Map(stdout.split('\n').map((line) => [line.split(' ', 1)[0], line]));
        for (const { url, file } of files) {
          const end = ends.get(url)?.slice(url.length + 1) ?? `no word of it: ${stderr}`;
          if (/^200 0 /.test(end)) completed.push({ url, sha256: await digestOf(file) });
          else failed.push(`${name}: ${url}: ${end}`);
        }
      }
    } finally {
      await dir.close();
    }
  };
  const running = Promise.all(Object.keys(clients).map(work));
  running.catch(() => {});
  return {
    completed,
    failed,
    async stop() {
      isOver = true;
      await running;
    },
  };
}

function common({ proxyUrl, caFile }: Session): string[] {
  const words = ['--disable', '--silent', '--show-error', '--proxy', proxyUrl, '--cacert', caFile, '--max-time', '60'];
  return [...words, '--write-out', '%{url} %{response_code} %{exitcode} %{errormsg}\n'];
}

async function digestOf(file: string): Promise<string> {
  return createHash('sha256')
    .update(await readFile(file))
    .digest('hex');
}
