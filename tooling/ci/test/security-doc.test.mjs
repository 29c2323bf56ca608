import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { basename } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';

const root = fileURLToPath(new URL('../../../', import.meta.url));
const text = readFileSync(`${root}docs/security.md`, 'utf8').replace(/\s+/g, ' ');

/** `path/to/file.test.ts` › "title of a test or group", "another" */
const references = [...text.matchAll(/`([^` ]+\.test\.(?:ts|mjs))` › ("[^"]+"(?:, "[^"]+")*)/g)].flatMap(
  ([, file, titles]) => [...titles.matchAll(/"([^"]+)"/g)].map(([, title]) => [file, title]),
);

/** Whether the source of a test file has the title as a literal, as `it`, `describe` and their tables take it. */
function hasTitle(source, title) {
  return [`'${title.replaceAll("'", "\\'")}'`, `"${title}"`, `\`${title}\``].some((literal) =>
    source.includes(literal),
  );
}

describe('docs/security.md', () => {
  it('names tests', () => expect(references.length).toBeGreaterThan(100));

  it.each(references)('%s › %s', (file, title) => {
    expect(existsSync(root + file)).toBe(true);
    expect(hasTitle(readFileSync(root + file, 'utf8'), title)).toBe(true);
  });

  it('leaves no path of a test file without a title', () => {
    const named = new Set(references.map(([file]) => file));
    const written = [...text.matchAll(/`([^` ]+\.test\.(?:ts|mjs))`/g)].map(([, file]) => file);
    expect(written.filter((file) => !named.has(file))).toEqual([]);
  });

  it('names every file of attacks', () => {
    const places = ['packages/proxy/test', 'apps/fetch-service/test', 'apps/craft/test', 'e2e/test'];
    const attacks = places.flatMap((place) =>
      readdirSync(root + place)
        .filter((name) => /^(attacks?|closed)[-.].*\.test\.ts$/.test(basename(name)))
        .map((name) => `${place}/${name}`),
    );
    const named = new Set(references.map(([file]) => file));
    expect(attacks.filter((file) => !named.has(file))).toEqual([]);
  });
});
