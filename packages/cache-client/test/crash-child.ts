// Stores artifacts until it is killed, in a directory that others use too. Says which ones are there.
import { mkdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { openCache } from '../src/index.js';
import { namesOf } from './scene.js';

const [dir = '', me = '0'] = process.argv.slice(2);
const cache = await openCache({ local: { dir: join(dir, 'cache'), quotaBytes: 3_000_000, leaseMs: 300 } });
for (let round = 0; ; round++) {
  const names = namesOf(`part-${round % 3}`, `${me}-${round}`);
  const tree = join(dir, `tree-${me}-${round}`);
  await mkdir(tree);
  for (let file = 0; file < 10; file++)
    await writeFile(join(tree, `${file}`), `${me}-${round % 5}-${file}`.repeat(2000));
  const artifact = await cache.store({ names, trees: { install: tree }, builtBy: 't', createdAt: new Date() });
  await cache.pull(names);
  process.stdout.write(`${names.part} ${names.key} ${artifact.blob.sha256}\n`);
  await rm(tree, { recursive: true });
}
