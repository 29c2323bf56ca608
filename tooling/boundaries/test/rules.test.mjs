import { cpSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { cruise } from 'dependency-cruiser';
import extractTSConfig from 'dependency-cruiser/config-utl/extract-ts-config';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import rules from '../rules.mjs';

const root = join(dirname(fileURLToPath(import.meta.url)), '..', '..', '..');
const manifest = (name) =>
  JSON.stringify({
    name: `@waybill/${name}`,
    exports: { '.': { 'waybill-source': './src/index.ts' } },
    dependencies: { undici: '*', fastify: '*', 'http-mitm-proxy': '*', '@peculiar/x509': '*', pg: '*' },
    devDependencies: { tsup: '*' },
  });

let directory;
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'waybill-boundaries-'));
  cpSync(join(root, 'tsconfig.base.json'), join(directory, 'tsconfig.base.json'));
});
afterEach(() => rmSync(directory, { recursive: true, force: true }));

/** Lays out the files, cruises them with the real rules and returns the names of the broken ones. */
async function violations(files) {
  for (const [path, text] of Object.entries(files)) write(path, text);
  const owners = new Set(Object.keys(files).map((path) => path.split('/').slice(0, 2).join('/')));
  for (const owner of owners) write(`${owner}/package.json`, manifest(owner.split('/')[1]));
  for (const library of ['undici', 'fastify', 'http-mitm-proxy', '@peculiar/x509', 'pg', 'tsup']) {
    write(`node_modules/${library}/package.json`, JSON.stringify({ name: library, main: 'dist/index.js' }));
    write(`node_modules/${library}/dist/index.js`, '');
  }
  const fileName = join(directory, 'tsconfig.base.json');
  const tsConfig = extractTSConfig(fileName);
  const options = {
    ...rules.options,
    tsConfig: { fileName },
    baseDir: directory,
    validate: true,
    ruleSet: { forbidden: rules.forbidden },
  };
  const roots = ['packages', 'apps'].filter((top) => [...owners].some((owner) => owner.startsWith(top)));
  const { output } = await cruise(roots, options, undefined, { tsConfig });
  return [...new Set(output.summary.violations.map((violation) => violation.rule.name))].sort();
}

function write(path, text) {
  mkdirSync(dirname(join(directory, path)), { recursive: true });
  writeFileSync(join(directory, path), text);
}

describe('rules', () => {
  it.each([
    ['its own engine in proxy', { 'packages/proxy/src/engine/a.ts': "import 'http-mitm-proxy';" }],
    ['undici in proxy', { 'packages/proxy/src/upstream.ts': "import 'undici';" }],
    ['x509 in ca', { 'packages/ca/src/leaf.ts': "import '@peculiar/x509';" }],
    ['fastify in an app', { 'apps/fetch-service/src/main.ts': "import 'fastify';" }],
    ['a dev dependency in a test', { 'packages/policy/src/a.test.ts': "import 'tsup';" }],
  ])('allow %s', async (_name, files) => {
    expect(await violations(files)).toEqual([]);
  });

  it.each([
    [
      'an import against the arrows',
      'direction-contracts',
      { 'packages/contracts/src/a.ts': "import '../../policy/src/index.ts';", 'packages/policy/src/index.ts': '' },
    ],
    [
      'a neighbour',
      'direction-policy',
      { 'packages/policy/src/a.ts': "import '../../ca/src/index.ts';", 'packages/ca/src/index.ts': '' },
    ],
    [
      'a type from a neighbour',
      'direction-proxy',
      {
        'packages/proxy/src/a.ts': "import type { A } from '../../ca/src/index.ts'; export type B = A;",
        'packages/ca/src/index.ts': 'export type A = 1;',
      },
    ],
    [
      'a package nobody placed',
      'unknown-package',
      { 'packages/fresh/src/a.ts': "import '../../ca/src/index.ts';", 'packages/ca/src/index.ts': '' },
    ],
    [
      'a relative path to a sibling',
      'siblings-by-name',
      { 'packages/policy/src/a.ts': "import '../../contracts/src/index.ts';", 'packages/contracts/src/index.ts': '' },
    ],
    [
      "a sibling's insides",
      'no-deep-import',
      { 'packages/policy/src/a.ts': "import '../../contracts/src/purl.ts';", 'packages/contracts/src/purl.ts': '' },
    ],
    [
      'an app in an app',
      'apps-apart',
      { 'apps/craft/src/a.ts': "import '../../fetch-service/src/main.ts';", 'apps/fetch-service/src/main.ts': '' },
    ],
    [
      'an app in a package',
      'no-app-below',
      { 'packages/policy/src/a.ts': "import '../../../apps/craft/src/main.ts';", 'apps/craft/src/main.ts': '' },
    ],
    [
      'testkit in shipped code',
      'testkit-only-in-tests',
      {
        'apps/craft/src/a.ts': "import '../../../packages/testkit/src/index.ts';",
        'packages/testkit/src/index.ts': '',
      },
    ],
    [
      'the engine outside its folder',
      'owner-of-http-mitm-proxy',
      { 'packages/proxy/src/pipeline.ts': "import 'http-mitm-proxy';" },
    ],
    ['undici in an app', 'owner-of-undici', { 'apps/craft/src/a.ts': "import 'undici';" }],
    ['x509 outside ca', 'owner-of-peculiar', { 'packages/testkit/src/a.ts': "import '@peculiar/x509';" }],
    ['pg outside session-store', 'owner-of-pg', { 'apps/fetch-service/src/a.ts': "import 'pg';" }],
    ['fastify in a package', 'owner-of-fastify', { 'packages/policy/src/a.ts': "import 'fastify';" }],
    ['a dev dependency in shipped code', 'no-dev-dependency-in-src', { 'packages/policy/src/a.ts': "import 'tsup';" }],
    [
      'a circle',
      'no-circle',
      { 'packages/policy/src/a.ts': "import './b.ts';", 'packages/policy/src/b.ts': "import './a.ts';" },
    ],
    ['an import that leads nowhere', 'resolvable', { 'packages/policy/src/a.ts': "import './gone.ts';" }],
  ])('refuse %s', async (_name, rule, files) => {
    expect(await violations(files)).toContain(rule);
  });
});
