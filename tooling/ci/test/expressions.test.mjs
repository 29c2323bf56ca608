import { readdirSync, readFileSync } from 'node:fs';
import { stripTypeScriptTypes } from 'node:module';
import { join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parse } from 'acorn';
import { simple } from 'acorn-walk';
import { analyse } from 'scslre';
import { expect, it } from 'vitest';

const root = fileURLToPath(new URL('../../../', import.meta.url));

/**
 * Expressions that may take quadratic time, and why nobody can make them: the text is short, or not a stranger's. What takes
 * exponential time is never here: forty characters of it stop the process. The analyser is quick and finds most; what it misses
 * (`(x.*?y)*`) a slower one finds: `npx recheck`.
 */
const bounded = {
  'apps/craft/src/doctor/run-probe.ts': '1000 characters',
  'apps/craft/src/environments/user-database.ts': 'files of the machine',
  'apps/craft/src/lifecycle/filter.ts': 'the project file',
  'apps/craft/src/lifecycle/organize.ts': 'the project file',
  'apps/craft/src/output/render-report.ts': 'names of configured keys',
  'apps/craft/src/sources/apt-configuration.ts': 'names of packages in the project file',
  'apps/craft/src/sources/build-packages.ts': 'names of packages in the project file',
  'apps/craft/src/sources/git.ts': 'the project file',
  'apps/fetch-service/src/cli/config-commands.ts': 'configuration',
  'apps/fetch-service/src/config-init/apt-sources.ts': 'configuration of the machine',
  'apps/fetch-service/src/config-init/cargo-origins.ts': 'configuration of the machine',
  'apps/fetch-service/src/config-init/maven-origins.ts': 'configuration of the machine',
  'apps/fetch-service/src/config-init/origin-url.ts': 'configuration of the machine',
  'apps/fetch-service/src/daemon/listen.ts': 'addresses of interfaces',
  'apps/fetch-service/src/sessions/secret-keys.ts': 'a key file of the operator',
  'apps/fetch-service/src/tracing/span-text.ts': 'ends at the first character that it looks for',
  'packages/inspectors/src/apt/bytes/tar-reader.ts': 'ends at the first character that it looks for',
  'packages/inspectors/src/apt/copyright/copyright-file.ts': '300 characters',
  'packages/inspectors/src/apt/copyright/license-names.ts': '1000 characters, runs of dashes folded before',
  'packages/inspectors/src/apt/deb.ts': 'runs of dashes folded before',
  'packages/inspectors/src/apt/deb822.ts': 'always matches to the end',
  'packages/inspectors/src/cargo/index-path.ts': 'a segment of a URL; matches from its first number',
  'packages/inspectors/src/npm/tarball.ts': 'ends at the first character that it looks for',
  'packages/inspectors/src/pip/core-metadata.ts': '1000 characters',
  'packages/inspectors/src/sniff.ts': 'eight characters',
  'packages/inspectors/src/url-globs.ts': 'configuration',
  'packages/policy/src/decide.ts': '1000 characters',
  'packages/policy/src/url-glob-program.ts': '64 characters of configuration',
  'packages/proxy/src/http/byte-range.ts': 'always matches to the end of a field, which has no line breaks',
};

function* sources(directory) {
  for (const entry of readdirSync(directory, { withFileTypes: true })) {
    const path = join(directory, entry.name);
    if (entry.isDirectory()) yield* sources(path);
    else if (entry.name.endsWith('.ts') && !entry.name.endsWith('.test.ts')) yield path;
  }
}

function expressionsOf(file) {
  const code = stripTypeScriptTypes(readFileSync(file, 'utf8'), { mode: 'transform' });
  const tree = parse(code, { ecmaVersion: 'latest', sourceType: 'module', allowHashBang: true });
  const found = [];
  simple(tree, {
    Literal({ regex }) {
      if (regex) found.push(regex);
    },
  });
  return found;
}

const everything = { reportTypes: { Move: true, Self: true, Trade: true }, maxReports: 3 };

it('no expression in the sources takes exponential time, nor quadratic time where text may be long', {
  timeout: 120_000,
}, () => {
  const projects = ['packages', 'apps'].flatMap((group) =>
    readdirSync(join(root, group)).map((name) => join(root, group, name, 'src')),
  );
  const slow = [];
  const unused = new Set(Object.keys(bounded));
  let count = 0;
  for (const project of projects) {
    for (const file of sources(project)) {
      const name = relative(root, file);
      for (const { pattern, flags } of expressionsOf(file)) {
        count += 1;
        const { reports } = analyse({ source: pattern, flags: flags.replace('v', 'u') }, everything);
        if (reports.length > 0) unused.delete(name);
        const isExponential = reports.some(({ exponential }) => exponential);
        if (isExponential || (reports.length > 0 && !Object.hasOwn(bounded, name))) {
          slow.push(`${name}: /${pattern}/${flags} takes ${isExponential ? 'exponential' : 'quadratic'} time`);
        }
      }
    }
  }
  expect(count).toBeGreaterThan(300);
  expect(slow).toEqual([]);
  expect([...unused]).toEqual([]);
});

it('finds those that do', () => {
  for (const [pattern, isExponential] of [
    ['^(a+)+$', true],
    ['\\s*\\(.*\\)$', false],
  ]) {
    const { reports } = analyse({ source: pattern, flags: '' }, everything);
    expect(reports.some(({ exponential }) => exponential)).toBe(isExponential);
    expect(reports.length).toBeGreaterThan(0);
  }
});
