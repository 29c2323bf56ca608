import { type ChildProcess, spawn } from 'node:child_process';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { sourceArguments } from '@waybill/testkit';
import { expect, it } from 'vitest';
import { openCache } from '../src/index.js';
import { namesOf, temporaryDirectory } from './scene.js';

const program = sourceArguments(new URL('./crash-child.ts', import.meta.url));
const rounds = 6;

interface Child {
  readonly process: ChildProcess;
  readonly ended: Promise<unknown>;
  readonly lines: string[];
  stderr: string;
}

function start(dir: string, name: string): Child {
  const process_ = spawn(process.execPath, [...program, dir, name], { stdio: ['ignore', 'pipe', 'pipe'] });
  const lines: string[] = [];
  const child: Child = {
    process: process_,
    ended: new Promise((resolve) => process_.once('close', resolve)),
    lines,
    stderr: '',
  };
  process_.stderr?.setEncoding('utf8').on('data', (text: string) => {
    child.stderr += text;
  });
  let rest = '';
  process_.stdout?.setEncoding('utf8').on('data', (text: string) => {
    const parts = (rest + text).split('\n');
    rest = parts.pop() ?? '';
    lines.push(...parts);
  });
  return child;
}

/** Waits until each has said something more, or has ended, which it never should by itself. */
async function oneMoreOf(children: readonly Child[], count: number): Promise<void> {
  for (const child of children) {
    while (child.lines.length < count) {
      if (child.process.exitCode !== null) throw new Error(`a writer ended by itself: ${child.stderr}`);
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
  }
}

it('gives right artifacts or none, whenever writers and collectors are killed', { timeout: 300_000 }, async () => {
  await using dir = await temporaryDirectory();
  await mkdir(join(dir.path, 'cache'));
  let found = 0;
  for (let round = 0; round < rounds; round++) {
    const children = [start(dir.path, `${round}a`), start(dir.path, `${round}b`)];
    await oneMoreOf(children, 3 + round);
    for (const { process } of children) process.kill('SIGKILL');
    await Promise.all(children.map(({ ended }) => ended));

    const cache = await openCache({ local: { dir: join(dir.path, 'cache') } });
    for (const [index, child] of children.entries()) {
      for (const line of child.lines) {
        const [part = '', key = '', sha256 = ''] = line.split(' ');
        const names = namesOf(part);
        const artifact = await cache.find({ ...names, key });
        // It may have been collected; what is there is what was stored.
        if (!artifact) continue;
        found += 1;
        expect(artifact.blob.sha256).toBe(sha256);
        await artifact.restore({ install: join(dir.path, `out-${round}-${index}-${found}`) });
      }
    }
    for (const { manifest } of await cache.list()) expect(manifest['built-by']).toBe('t');
    await cache.close();
  }
  expect(found).toBeGreaterThan(0);
});
