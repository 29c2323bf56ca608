import { readFile } from 'node:fs/promises';
import { describe, expect, it } from 'vitest';
import { explainKey } from './explain-key.js';
import {
  canonicalText,
  type KeyDocument,
  keyDocumentSchema,
  keyOf,
  nameDocument,
  weakDocument,
} from './key-document.js';

const page = await readFile(new URL('../../../../docs/artifact-cache/keys.md', import.meta.url), 'utf8');

/** The example of the page, every field filled. */
function example(): KeyDocument {
  const [, json = ''] = /```json\n([\s\S]*?)\n```/.exec(page) ?? [];
  return keyDocumentSchema.parse(JSON.parse(json));
}

/** Every path to a leaf or list of a value. */
function paths(value: unknown, path: readonly (string | number)[] = []): (readonly (string | number)[])[] {
  if (typeof value !== 'object' || value === null) return [path];
  return Object.entries(value).flatMap(([name, member]) =>
    paths(member, [...path, Array.isArray(value) ? Number(name) : name]),
  );
}

function changed(document: KeyDocument, path: readonly (string | number)[]): KeyDocument {
  const copy = structuredClone(document);
  // biome-ignore lint/suspicious/noExplicitAny: any leaf of any document
  let place: any = copy;
  for (const name of path.slice(0, -1)) place = place[name];
  const last = path.at(-1) as string;
  place[last] = typeof place[last] === 'number' ? place[last] + 1 : `${place[last]}x`;
  return copy;
}

/** The same value with the members of every map in the opposite order. */
function reversed(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(reversed);
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(
    Object.entries(value)
      .reverse()
      .map(([name, member]) => [name, reversed(member)]),
  );
}

describe('the key of a document', () => {
  it('is the one that the documentation shows', () => {
    expect(page).toContain(`strong key \`${keyOf(example())}\``);
    expect(page).toContain(`weak key \`${keyOf(weakDocument(example()))}\``);
    expect(page).toContain(`name in a strict session \`${keyOf(nameDocument(example(), { session: 'strict' }))}\``);
  });

  it('does not depend on the order of maps', () => {
    const document = example();
    const other = reversed(document) as KeyDocument;
    expect(Object.keys(other)).not.toEqual(Object.keys(document));
    expect(keyOf(other)).toBe(keyOf(document));
  });

  it('changes with every single input', () => {
    const document = example();
    const keys = new Set([keyOf(document)]);
    const all = paths(document);
    expect(all.length).toBeGreaterThan(30);
    for (const path of all) keys.add(keyOf(changed(document, path)));
    expect(keys.size).toBe(all.length + 1);
  });

  it('changes when an input goes, and when the order of a list changes', () => {
    const document = example();
    const { version: _, ...project } = document.project;
    const without = { ...document, project };
    const [first, second] = document.dependencies;
    if (!first || !second) throw new Error('the example has two dependencies');
    const turned = { ...document, dependencies: [second, first] };
    expect(new Set([document, without, turned].map(keyOf)).size).toBe(3);
  });

  it('keeps its weak form when only a dependency changes, and not when its name does', () => {
    const document = example();
    const inside = changed(document, ['dependencies', 0, 'key']);
    expect(keyOf(inside)).not.toBe(keyOf(document));
    expect(keyOf(weakDocument(inside))).toBe(keyOf(weakDocument(document)));
    const named = changed(document, ['dependencies', 0, 'name']);
    expect(keyOf(weakDocument(named))).not.toBe(keyOf(weakDocument(document)));
  });

  it('equals its weak form only without dependencies', () => {
    const document = { ...example(), dependencies: [] };
    expect(keyOf(weakDocument(document))).toBe(keyOf(document));
  });

  it('gives builds of each kind of session, and of each place, a name of their own', () => {
    const document = example();
    const names = (['strict', 'permissive', 'none'] as const).flatMap((session) => [
      keyOf(nameDocument(document, { session })),
      keyOf(nameDocument(document, { session, place: '/a' })),
      keyOf(nameDocument(document, { session, place: '/b' })),
    ]);
    expect(new Set([...names, keyOf(document)]).size).toBe(10);
  });

  it.each([
    ['text with quotes and line ends', { a: '"\n\\' }, '{"a":"\\"\\n\\\\"}'],
    ['absent members', { b: undefined, a: 1 }, '{"a":1}'],
    ['members by code unit', { ä: 1, z: 2, Z: 3, '10': 4, '9': 5 }, '{"10":4,"9":5,"Z":3,"z":2,"ä":1}'],
    ['nested', { b: [{ d: 1, c: null }], a: {} }, '{"a":{},"b":[{"c":null,"d":1}]}'],
  ])('spells %s one way', (_, value, text) => {
    expect(canonicalText(value)).toBe(text);
  });

  it('is not fooled by text that looks like structure', () => {
    const one = { ...example(), source: { a: '1","b":"2' } };
    const two = { ...example(), source: { a: '1', b: '2' } };
    expect(keyOf(one)).not.toBe(keyOf(two));
  });
});

describe('explainKey', () => {
  it('says nothing about documents with one key', () => {
    expect(explainKey(example(), reversed(example()) as KeyDocument)).toEqual([]);
  });

  it('names every field that differs, and no other', () => {
    for (const path of paths(example())) {
      const after = changed(example(), path);
      const found = explainKey(example(), after);
      // A dependency of another name is one that went and one that came.
      if (path[0] !== 'dependencies' || path.at(-1) !== 'name') expect(found, path.join('.')).toHaveLength(1);
      expect(found.length, path.join('.')).toBeGreaterThan(0);
    }
  });

  it('shows what was there and what is there now', () => {
    const before = example();
    const after = {
      ...before,
      source: { type: 'git', commit: 'c'.repeat(40), depth: '1' },
      dependencies: [...before.dependencies, { name: 'new', key: 'd'.repeat(64), stage: ['*'] }],
    };
    expect(explainKey(before, after)).toEqual([
      { field: 'dependencies.new.key', before: undefined, after: 'd'.repeat(64) },
      { field: 'dependencies.new.stage', before: undefined, after: ['*'] },
      { field: 'source.commit', before: before.source.commit, after: 'c'.repeat(40) },
    ]);
  });
});
