import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { mergeSections, readProjectInspectors } from './project-inspectors.js';

let dir: string;
beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'craft-inspectors-'));
});
afterEach(() => rm(dir, { recursive: true, force: true }));

describe('readProjectInspectors', () => {
  it('is optional', async () => {
    expect(await readProjectInspectors(dir)).toBeUndefined();
  });

  it('gives what is written, without defaults', async () => {
    await writeFile(join(dir, 'inspectors.yaml'), 'git: {urls: ["https://git.example:443/**"]}\n');
    expect(await readProjectInspectors(dir)).toEqual({ git: { urls: ['https://git.example:443/**'] } });
  });

  it.each([
    ['gti: {}\n', 'inspectors.yaml:1:1: unknown key `gti`; did you mean `git`?'],
    [
      'generic:\n  files:\n    - url: https://files.example/a\n',
      'inspectors.yaml:3:7: missing `sha256` or `sha512`: a generic file is approved by its digest',
    ],
    ['git: []\n', 'inspectors.yaml:1:6: `git`: expected a map, found a list'],
  ])('names the place of %j', async (text, wanted) => {
    await writeFile(join(dir, 'inspectors.yaml'), text);
    await expect(readProjectInspectors(dir)).rejects.toMatchObject({
      code: 'CRAFT_CONFIG_INVALID',
      message: wanted,
    });
  });
});

describe('mergeSections', () => {
  const url = (name: string) => `https://${name}.example:443/**`;
  it.each([
    [
      'sections of the project only',
      { git: { urls: [url('a')] }, npm: { registries: {} } },
      { git: { urls: [url('b')] } },
      { git: { urls: [url('a'), url('b')] } },
    ],
    ['each entry once', { git: { urls: [url('a')] } }, { git: { urls: [url('a')] } }, { git: { urls: [url('a')] } }],
    [
      'maps by name, the project wins',
      { npm: { registries: { a: { url: 'https://a.example/' }, b: { url: 'https://b.example/' } } } },
      { npm: { registries: { b: { url: 'https://c.example/' } } } },
      { npm: { registries: { a: { url: 'https://a.example/' }, b: { url: 'https://c.example/' } } } },
    ],
    ['nothing to join', {}, { limits: { hold: 'whole' as const } }, { limits: { hold: 'whole' } }],
  ])('joins %s', (_name, base, project, wanted) => {
    expect(mergeSections(base, project)).toEqual(wanted);
  });
});
