import { describe, expect, it } from 'vitest';
import { CraftError } from '../errors.js';
import { parseProject } from './load-project.js';

const minimal = `name: hello
version: 1.10
platforms:
  amd64:
parts:
  app:
    plugin: nil
`;

function problems(text: string): string[] {
  try {
    parseProject(text);
  } catch (error) {
    if (error instanceof CraftError && error.code === 'CRAFT_PROJECT_INVALID') return [error.message, ...error.details];
    throw error;
  }
  return [];
}

describe('parseProject', () => {
  it('fills what follows from the short forms', () => {
    const project = parseProject(minimal);
    expect(project).toMatchObject({
      name: 'hello',
      version: '1.10',
      type: 'tar',
      platforms: { amd64: { 'build-on': ['amd64'], 'build-for': 'amd64' } },
      parts: { app: { plugin: 'nil', stage: ['*'], prime: ['*'], after: [] } },
    });
  });

  it('keeps the spelling of numbers where text is meant', () => {
    const project = parseProject(
      minimal.replace(
        'plugin: nil',
        'plugin: nil\n    build-environment:\n      - LEVEL: 010\n      - FLAG: yes\n      - BIG: 1e3',
      ),
    );
    expect(project.parts.app?.['build-environment']).toEqual([{ LEVEL: '010' }, { FLAG: 'yes' }, { BIG: '1e3' }]);
  });

  it('takes a platform with lists and one for all architectures', () => {
    const project = parseProject(
      minimal.replace('  amd64:', '  any-of:\n    build-on: [amd64, arm64]\n    build-for: [all]'),
    );
    expect(project.platforms).toEqual({ 'any-of': { 'build-on': ['amd64', 'arm64'], 'build-for': 'all' } });
  });

  it.each([
    [
      'unknown key with suggestion',
      minimal.replace('name: hello', 'name: hello\nsumary: x'),
      'craft.yaml:2:1: unknown key `sumary`; did you mean `summary`?',
    ],
    [
      'unknown key in a part',
      minimal.replace('plugin: nil', 'plugin: nil\n    sorce: .'),
      'craft.yaml:8:5: unknown key `sorce`; did you mean `source`?',
    ],
    [
      'key of another plugin',
      minimal.replace('plugin: nil', 'plugin: nil\n    make-parameters: []'),
      'craft.yaml:8:5: unknown key `make-parameters`',
    ],
    [
      'known but unsupported key',
      minimal.replace('plugin: nil', 'plugin: nil\n    stage-snaps: [x]'),
      'craft.yaml:8:5: `stage-snaps` cannot be used here: snaps cannot be staged',
    ],
    [
      'missing version',
      minimal.replace('version: 1.10\n', ''),
      'craft.yaml:1:1: missing `version`, or `adopt-info` with the name of the part that sets it',
    ],
    [
      'missing plugin',
      minimal.replace('plugin: nil', 'source: .'),
      'craft.yaml:6:3: expected `plugin` to be one of nil, dump, make, cmake, autotools, meson, npm, python, uv, go, rust, maven, gradle',
    ],
    [
      'misspelt plugin',
      minimal.replace('plugin: nil', 'plugn: nil'),
      'craft.yaml:7:5: unknown key `plugn`; did you mean `plugin`?',
    ],
    [
      'unknown plugin',
      minimal.replace('plugin: nil', 'plugin: nul'),
      'craft.yaml:7:13: expected `plugin` to be one of nil, dump, make, cmake, autotools, meson, npm, python, uv, go, rust, maven, gradle, found "nul"',
    ],
    [
      'bad name',
      minimal.replace('name: hello', 'name: Hello_'),
      'craft.yaml:1:7: `name`: expected lower-case letters, digits and inner hyphens, with at least one letter, found "Hello_"',
    ],
    [
      'list instead of text',
      minimal.replace('name: hello', 'name: [hello]'),
      'craft.yaml:1:7: `name`: expected text, found a list',
    ],
    [
      'a part after itself',
      minimal.replace('plugin: nil', 'plugin: nil\n    after: [app]'),
      'craft.yaml:8:13: part `app` cannot come after itself',
    ],
    [
      'a part after nothing',
      minimal.replace('plugin: nil', 'plugin: nil\n    after: [lib]'),
      'craft.yaml:8:13: there is no part `lib`',
    ],
    ['dump without source', minimal.replace('nil', 'dump'), 'craft.yaml:6:3: plugin `dump` needs a `source`'],
    [
      'git option on a tarball',
      minimal.replace('plugin: nil', 'plugin: nil\n    source: a.tar.gz\n    source-tag: v1'),
      'craft.yaml:9:17: `source-tag` is for git sources, this one is `tar`',
    ],
    [
      'tag and commit',
      minimal.replace(
        'plugin: nil',
        'plugin: nil\n    source: https://git.example/a.git\n    source-tag: v1\n    source-commit: abcd1234',
      ),
      'craft.yaml:10:20: `source-tag` and `source-commit` exclude each other',
    ],
    [
      'unknown source type',
      minimal.replace('plugin: nil', 'plugin: nil\n    source: https://files.example/thing'),
      'craft.yaml:8:13: cannot tell the type of this source; name it with `source-type` (git, tar, zip, deb, file, local)',
    ],
    [
      'bad checksum',
      minimal.replace('plugin: nil', 'plugin: nil\n    source: a.zip\n    source-checksum: sha256/12'),
      'craft.yaml:9:22: `source-checksum`: expected <algorithm>/<hex digits>, such as sha256/9f86d081…, found "sha256/12"',
    ],
    [
      'path out of the part',
      minimal.replace('plugin: nil', 'plugin: nil\n    stage: [-../x]'),
      'craft.yaml:8:13: expected a relative path or glob without `..`, with `-` in front to leave it out, found "-../x"',
    ],
    [
      'platform that is no architecture',
      minimal.replace('  amd64:', '  laptop:'),
      'craft.yaml:4:3: platform `laptop` is not an architecture, so it needs `build-on`',
    ],
    [
      'no parts',
      minimal.replace(/parts:[\s\S]*/, 'parts: {}\n'),
      'craft.yaml:5:8: `parts`: expected at least one part, found a map',
    ],
    [
      'snap keys on a tar project',
      `${minimal}confinement: strict\n`,
      'craft.yaml:8:14: `confinement` belongs to projects of `type: snap`',
    ],
    [
      'an image of a tar project',
      `${minimal}image: {entrypoint: [/bin/run]}\n`,
      'craft.yaml:8:1: `image` belongs to projects of `type: oci` or `rock`',
    ],
    [
      'a base under an image',
      `${minimal}type: oci\nbase: core24\n`,
      'craft.yaml:9:7: an image holds what its parts bring: expected `base: bare` or none, found `core24`',
    ],
    [
      'a port that is none',
      `${minimal}type: oci\nimage: {ports: [http]}\n`,
      'craft.yaml:9:17: expected a port: 8080 or 53/udp, found "http"',
    ],
    ['duplicate key', `${minimal}name: again\n`, 'craft.yaml:8:1: Map keys must be unique'],
    [
      'broken yaml',
      'name: [a\n',
      'craft.yaml:2:1: Flow sequence in block collection must be sufficiently indented and end with a ]',
    ],
    ['not a map', '- a\n', 'craft.yaml:1:1: expected a map, found a list'],
    ['empty file', '', 'craft.yaml:1:1: missing `name`'],
  ])('%s', (_name, text, wanted) => {
    expect(problems(text)[0]).toBe(wanted);
  });

  it('tells every problem at once, in the order of the file', () => {
    const found = problems(
      minimal.replace('name: hello', 'name: H').replace('plugin: nil', 'plugin: nil\n    sorce: .'),
    );
    expect(found.map((entry) => entry.split(':').slice(1, 3).join(':'))).toEqual(['1:7', '8:5']);
  });

  it('does not let control characters of a file reach the terminal', () => {
    expect(problems(minimal.replace('name: hello', 'name: "\\u001b[31m"'))[0]).not.toContain('\u001b');
  });

  it('is not tricked by keys of the prototype', () => {
    expect(problems(minimal.replace('plugin: nil', 'plugin: nil\n    constructor: x'))[0]).toBe(
      'craft.yaml:8:5: unknown key `constructor`',
    );
    expect(problems(minimal.replace('plugin: nil', 'plugin: nil\n    after: [toString]'))[0]).toContain(
      'there is no part `toString`',
    );
  });
});
