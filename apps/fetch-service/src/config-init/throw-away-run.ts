import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { catchConnections } from './connection-catcher.js';
import type { RunProgram } from './run-program.js';

/** A run of a client for nothing but to see which hosts it wants. */
export interface ThrowAwayRun {
  /** Files of the directory that it runs on, by name. */
  readonly files?: Readonly<Record<string, string>>;
  /** Program and arguments; the proxy answers every tunnel with 403. */
  readonly command: (dir: string, proxyUrl: string) => readonly [string, ...string[]];
}

/**
 * Lets a client that hides its default origin look for something through a proxy that connects nobody, so nothing is
 * downloaded and nothing of the client's own is changed but its caches, which the command leads into the directory.
 * @returns `https://host[:port]` of what it wanted, first ones first
 */
export async function throwAwayRun(run: RunProgram, { files = {}, command }: ThrowAwayRun): Promise<readonly string[]> {
  const catcher = await catchConnections();
  const dir = await mkdtemp(join(tmpdir(), 'waybill-run-'));
  try {
    for (const [name, text] of Object.entries(files)) {
      await mkdir(dirname(join(dir, name)), { recursive: true });
      await writeFile(join(dir, name), text);
    }
    const [program, ...args] = command(dir, catcher.url);
    await run(program, args);
    return catcher.wanted().map((authority) => `https://${authority.replace(/:443$/, '')}`);
  } finally {
    await catcher.close();
    await rm(dir, { recursive: true, force: true });
  }
}
