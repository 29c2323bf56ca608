import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { silentProgress } from '../output/progress.js';
import { parseProject } from '../project/load-project.js';
import { readRecommendation, readUserConfig } from './cache-config.js';
import { openConfiguredCache } from './open-build-cache.js';

let dir: string;
beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'craft-config-'));
  await mkdir(join(dir, 'config/waybill'), { recursive: true });
});
afterEach(() => rm(dir, { recursive: true, force: true }));

const write = (text: string) => writeFile(join(dir, 'config/waybill/craft.yaml'), text);
const read = () => readUserConfig(join(dir, 'config/waybill'));

async function open(wanted?: boolean) {
  const project = parseProject('name: p\nversion: "1"\nplatforms: {amd64: }\nparts: {a: {plugin: nil}}\n');
  const env = { HOME: dir, XDG_CONFIG_HOME: join(dir, 'config') };
  const found = await openConfiguredCache({ project, projectDirectory: dir, env, progress: silentProgress, wanted });
  await found?.cache.close();
  return found;
}

describe('the user file', () => {
  it('says which caches, how much and from whom', async () => {
    await write(`artifacts: {pull-url: https://cache.example/main, push-url: "artifacts@cache.example:main", push-port: 22222}
cache: {quota: 20G, push: strict, accept: {namespaces: [main], writers: [ci], strict-only: true}}
`);
    expect(await read()).toMatchObject({
      artifacts: { 'push-port': 22222 },
      cache: {
        enabled: true,
        quota: 20 * 2 ** 30,
        push: 'strict',
        accept: { namespaces: ['main'], writers: ['ci'], 'strict-only': true },
      },
    });
  });

  it.each([
    ['an unknown key', 'cache: {acept: {}}\n', /craft\.yaml:1:\d+: .*acept/],
    ['a size without sense', 'cache: {quota: lots}\n', /craft\.yaml:1:\d+: .*bytes/],
    ['no size at all', 'cache: {quota: 0}\n', /bytes/],
    ['a rule that does not exist', 'cache:\n  push: sometimes\n', /craft\.yaml:2:\d+: /],
    ['two forms of one section', 'artifacts: {pull-url: "https://c.example/m", servers: []}\n', /one form/],
    ['a server without a scheme', 'artifacts: {servers: [{url: cache.example}]}\n', /https/],
    ['broken YAML', 'cache: {\n', /craft\.yaml:/],
  ])('refuses %s', async (_, text, message) => {
    await write(text);
    await expect(read()).rejects.toMatchObject({
      code: 'CRAFT_CONFIG_INVALID',
      message: expect.stringMatching(message),
    });
  });

  it('may be absent', async () => {
    expect(await read()).toBeUndefined();
    expect(await readRecommendation(dir)).toBeUndefined();
  });
});

describe('whether a build has a cache', () => {
  it('is no unless somebody says so', async () => {
    expect(await open()).toBeUndefined();
    await writeFile(join(dir, 'artifacts.yaml'), 'artifacts: {pull-url: https://cache.example/main}\n');
    expect(await open()).toBeUndefined();
  });

  it.each([
    ['--cache', undefined, true, true],
    ['a cache section', 'cache: {}\n', undefined, true],
    ['a server', 'artifacts: {pull-url: https://cache.example/main}\n', undefined, true],
    ['--no-cache against a section', 'cache: {}\n', false, false],
    [
      'a section that says no',
      'artifacts: {pull-url: https://c.example/m}\ncache: {enabled: false}\n',
      undefined,
      false,
    ],
    ['--cache against it', 'cache: {enabled: false}\n', true, true],
  ])('follows %s', async (_, text, wanted, is) => {
    if (text !== undefined) await write(text);
    expect((await open(wanted)) !== undefined).toBe(is);
  });

  it('reads from the caches that the project recommends, but never writes there', async () => {
    await writeFile(
      join(dir, 'artifacts.yaml'),
      'artifacts: {servers: [{url: "https://theirs.example/main", push: true}]}\n',
    );
    await write('artifacts: {servers: [{url: "https://ours.example/main", push: true}]}\n');
    const found = await open();
    expect(found?.remotes.map(({ pull, push }) => [pull?.url.host, push?.url.host])).toEqual([
      ['ours.example', 'ours.example'],
      ['theirs.example', undefined],
    ]);
  });
});
