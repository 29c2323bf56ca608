import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { readdir, readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it, type TestContext } from 'vitest';
import { type CacheMachine, clientPython, createCacheMachine } from './harness/cache-machine.js';
import { type CacheServer, startCacheServer } from './harness/cache-server.js';
import { keepForTest } from './harness/keep.js';

/** Large enough to travel as a stream of its own, and the same for everybody. */
const large = Array.from({ length: 150_000 }, (_, line) => createHash('sha1').update(String(line)).digest('hex')).join(
  '\n',
);
const largeSha256 = createHash('sha256').update(large).digest('hex');

const generations = [
  {
    name: 'BuildStream 1.6',
    program: '/usr/bin/bst',
    project: 'name: demo\nformat-version: 18\nelement-path: elements\n',
    config: (url: string) => `artifacts:\n  url: ${url}\n  push: true\n`,
    checkout: ['checkout', '--deps', 'none', '--no-integrate', 'all.bst', 'out'],
  },
  {
    name: 'BuildStream 2',
    program: join(clientPython, 'bst'),
    project: 'name: demo\nmin-version: 2.0\nelement-path: elements\n',
    config: (url: string) => `artifacts:\n  servers:\n  - url: ${url}\n    push: true\n`,
    checkout: ['artifact', 'checkout', '--deps', 'none', '--no-integrate', 'all.bst', '--directory', 'out'],
  },
] as const;
type Generation = (typeof generations)[number];

function needProgram(context: TestContext, { name, program }: Generation): void {
  if (existsSync(program)) return;
  const missing = `${name} is not installed: ${program}`;
  if (process.env.WAYBILL_CI === '1') throw new Error(missing);
  context.skip(missing);
}

/** Three elements, two of them under one that only joins them, built by somebody with nothing of their own. */
async function build(generation: Generation, server: CacheServer) {
  const machine = await createCacheMachine({
    'project.conf': generation.project,
    'buildstream.conf': generation.config(server.origin),
    'elements/one.bst': 'kind: import\nsources:\n- kind: local\n  path: one\n',
    'elements/two.bst': 'kind: import\nsources:\n- kind: local\n  path: two\n',
    'elements/all.bst':
      'kind: compose\nconfig:\n  integrate: false\ndepends:\n- filename: one.bst\n  type: build\n- filename: two.bst\n  type: build\n',
    'one/a.txt': 'a\n',
    'one/below/b.txt': 'b\n',
    'two/large.txt': large,
  });
  const bst = (...args: readonly string[]) =>
    machine.run(generation.program, ['--no-interactive', '--no-colors', '-c', 'buildstream.conf', ...args]);
  const built = await bst('build', 'all.bst');
  const output = `${built.stdout}${built.stderr}`;
  expect(built.code, output).toBe(0);
  const checkedOut = await bst(...generation.checkout);
  expect(checkedOut.code, checkedOut.stderr).toBe(0);
  expect(await readOut(machine, 'below/b.txt')).toBe('b\n');
  expect(await readOut(machine, 'large.txt')).toBe(large);
  return {
    pulled: output.match(/INFO +Pulled artifact/g)?.length ?? 0,
    pushed: output.match(/INFO +Pushed artifact/g)?.length ?? 0,
  };
}

function readOut(machine: CacheMachine, name: string): Promise<string> {
  return readFile(join(machine.project, 'out', name), 'utf8');
}

/** Takes a blob from under the server, as a disk that loses files. */
async function loseBlob(server: CacheServer, sha256: string): Promise<void> {
  const files = await readdir(join(server.dir, 'blobs'), { recursive: true, withFileTypes: true });
  const found = files.filter(
    (file) => file.isFile() && join(file.parentPath, file.name).replaceAll('/', '').includes(sha256.slice(4)),
  );
  expect(found).not.toEqual([]);
  for (const file of found) await rm(join(file.parentPath, file.name));
}

describe.each(generations)('$name and the built server', { timeout: 900_000 }, (generation) => {
  it('pushes, pulls elsewhere, and builds again what the server lost', async (context) => {
    needProgram(context, generation);
    const server = keepForTest(await startCacheServer({ anonymous: 'write' }));
    expect(await build(generation, server)).toMatchObject({ pulled: 0, pushed: 3 });
    expect((await build(generation, server)).pulled).toBeGreaterThan(0);
    expect(await server.metric('artifact_cache_lookups_total', 'asset', 'hit')).toBeGreaterThan(0);
    await loseBlob(server, largeSha256);
    await build(generation, server);
    const { code, stdout, stderr } = await server.command('fsck', '--repair');
    expect(code, stdout + stderr).toBeLessThanOrEqual(1);
    await build(generation, server);
    expect((await build(generation, server)).pulled).toBeGreaterThan(0);
  });
});
