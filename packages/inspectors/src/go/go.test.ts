import { createHash } from 'node:crypto';
import { buffer } from 'node:stream/consumers';
import type { InspectorsConfig } from '@waybill/contracts';
import fc from 'fast-check';
import { beforeAll, describe, expect, it } from 'vitest';
import { ZipFile } from 'yazl';
import { describeInspector, type InspectorCase } from '../../test/describe-inspector.js';
import { createFakeSession } from '../../test/fake-session.js';
import { createGoLog, type GoLog } from '../../test/go-log.js';
import { goInspectors } from './index.js';
import { extendsTree, includes, recordHash } from './merkle-tree.js';
import { hashGoMod, modulePathOf } from './module-hash.js';
import { escapePath, parseProxyPath, unescapePath } from './module-path.js';
import { openNote, parseVerifier, SignedNoteError } from './signed-note.js';
import { KnownLog, parseLookup, parseSums, SumDatabaseError } from './sum-database.js';
import { tilePath, tileReader } from './tiles.js';

const base = 'https://proxy.registry.example/go';
const module = 'mod.example/Team/pkg';
const version = 'v1.2.3';
const goModText = `module ${module} // comment\n\ngo 1.22\n`;
const license = 'Permission is hereby granted, free of charge, to any person obtaining a copy of this software';

async function zipOf(files: Readonly<Record<string, string>>): Promise<Buffer> {
  const zip = new ZipFile();
  for (const [path, content] of Object.entries(files))
    zip.addBuffer(Buffer.from(content), path, { mtime: new Date(0) });
  zip.end();
  return buffer(zip.outputStream as never);
}

const filesOf = (more: Readonly<Record<string, string>> = {}, at = `${module}@${version}`) =>
  Object.fromEntries(
    Object.entries({ 'go.mod': goModText, LICENSE: license, 'a/b.go': 'package b\n', ...more }).map(([name, text]) => [
      `${at}/${name}`,
      text,
    ]),
  );

/** As go.sum has it, by the definition. */
function h1(files: Readonly<Record<string, string>>): string {
  const hash = (text: string, encoding: 'hex' | 'base64') => createHash('sha256').update(text).digest(encoding);
  const lines = Object.keys(files)
    .sort()
    .map((name) => `${hash(files[name] as string, 'hex')}  ${name}\n`);
  return `h1:${hash(lines.join(''), 'base64')}`;
}

const sums = (zip: Readonly<Record<string, string>> = filesOf()) =>
  `${module} ${version} ${h1(zip)}\n${module} ${version}/go.mod ${h1({ 'go.mod': goModText })}\n`;

/** A log in which the record stands among others. */
function logWith(lines: string, before = 300, after = 40): { log: GoLog; index: number } {
  const log = createGoLog();
  const filler = (n: number) => `filler.example/m v0.0.${n} h1:${'A'.repeat(43)}=\n`;
  for (let n = 0; n < before; n += 1) log.add(filler(n));
  const index = log.add(lines);
  for (let n = 0; n < after; n += 1) log.add(filler(before + n));
  return { log, index };
}

const { log, index } = logWith(sums());
const configOf = (own: GoLog, more: object = {}): InspectorsConfig => ({
  go: {
    proxies: { main: { url: base } },
    'sum-databases': { main: { key: own.key } },
    unlisted: ['corp.example/*'],
    imports: ['https://vanity.example/**'],
    ...more,
  },
});
const config = configOf(log);
const inspectors = () => goInspectors(config);
/** The database itself answers, the proxy does not hand it on. */
const companions = (own: GoLog) => async (url: URL) =>
  url.host === 'sum.registry.example' ? own.serve(url.pathname.slice(1)) : undefined;
const session = { companions: companions(log) };

const lookupUrl = `https://sum.registry.example/lookup/${escapePath(module)}@${version}`;
const modUrl = `${base}/${escapePath(module)}/@v/${version}.mod`;
const zipUrl = `${base}/${escapePath(module)}/@v/${version}.zip`;
let zip: Buffer;
beforeAll(async () => {
  zip = await zipOf(filesOf());
});

describeInspector({
  id: 'go.sumdb',
  inspectors,
  good: {
    name: 'a lookup that is proven',
    request: lookupUrl,
    response: { body: log.lookup(index) },
    session,
    opinion: 'Approved',
    metadata: { version, vendor: 'sum.registry.example' },
    annotations: { record: index, 'tree-size': 341 },
  },
  cases: [
    {
      name: 'the same, handed on by the proxy',
      request: `${base}/sumdb/sum.registry.example/lookup/${escapePath(module)}@${version}`,
      response: { body: log.lookup(index) },
      session: {
        companions: async (url) => log.serve(url.pathname.slice('/go/sumdb/sum.registry.example/'.length)),
      },
      opinion: 'Approved',
    },
    {
      name: 'the signed tree',
      request: 'https://sum.registry.example/latest',
      response: { body: log.latest() },
      session,
      opinion: 'Approved',
    },
    {
      name: 'a tile',
      request: 'https://sum.registry.example/tile/8/0/000',
      response: { body: log.serve('tile/8/0/000') as Buffer },
      opinion: 'Approved',
    },
    {
      name: 'a tile of the wrong length',
      request: 'https://sum.registry.example/tile/8/0/000',
      response: { body: 'x' },
      opinion: 'Rejected',
      reason: /expected a tile of 8192 bytes/,
    },
    {
      name: 'that the proxy hands it on',
      request: `${base}/sumdb/sum.registry.example/supported`,
      response: { body: 'ok' },
      opinion: 'Approved',
    },
    {
      name: 'checksums of another module',
      request: lookupUrl.replace('pkg', 'gkp'),
      response: { body: log.lookup(index) },
      session,
      opinion: 'Rejected',
      reason: /found others/,
    },
    {
      name: 'another checksum in the record',
      request: lookupUrl,
      response: { body: log.lookup(index).replace(/ h1:./, ' h1:Q') },
      session,
      opinion: 'Rejected',
      reason: /is not in the signed tree/,
    },
    {
      name: 'the record at another place',
      request: lookupUrl,
      response: { body: log.lookup(index).replace(/^\d+/, '5') },
      session,
      opinion: 'Rejected',
      reason: /is not in the signed tree/,
    },
    {
      name: 'a signature of somebody else',
      request: lookupUrl,
      response: () => ({ body: logWith(sums()).log.lookup(index) }),
      session,
      opinion: 'Rejected',
      reason: /no signature of/,
    },
    { name: 'a PUT', request: { url: lookupUrl, method: 'PUT' }, claim: 'Rejected' },
    { name: 'a path of none', request: 'https://sum.registry.example/lookup/../x@v1', claim: 'unclaimed' },
  ],
});

describeInspector({
  id: 'go.mod',
  inspectors,
  good: {
    name: 'a go.mod that the database lists',
    request: modUrl,
    response: { body: goModText },
    session,
    opinion: 'Approved',
    metadata: { name: module, version, vendor: 'mod.example', purl: `pkg:golang/mod.example/Team/pkg@${version}` },
    annotations: { h1: h1({ 'go.mod': goModText }) },
  },
  cases: [
    {
      name: 'that the database does not list',
      request: modUrl.replace('1.2.3', '1.2.4'),
      response: { body: goModText },
      session,
      opinion: 'Rejected',
      reason: /no checksum database of this session lists/,
    },
    {
      name: 'that is private',
      request: `${base}/corp.example/x/y/@v/v1.0.0.mod`,
      response: { body: 'module corp.example/x/y\n' },
      opinion: 'Approved',
      annotations: { unlisted: true },
    },
    {
      name: 'that a lying proxy lists',
      request: modUrl,
      response: { body: 'module evil\n' },
      session: {
        companions: async (url) => {
          const lie = log.lookup(index).replace(/\/go.mod h1:.*/, `/go.mod ${hashGoMod(Buffer.from('module evil\n'))}`);
          return url.pathname.includes('/lookup/') ? Buffer.from(lie) : log.serve(url.pathname.slice(1));
        },
      },
      opinion: 'Rejected',
      reason: /is not in the signed tree/,
    },
    { name: 'a PUT', request: { url: modUrl, method: 'PUT' }, claim: 'Rejected' },
    { name: 'a name in upper case', request: modUrl.replace('!team', 'Team'), claim: 'unclaimed' },
  ],
});

const listed = (
  files: Readonly<Record<string, string>>,
): Partial<InspectorCase> & { inspectors: () => readonly never[] } => {
  const own = logWith(sums(files), 3, 0).log;
  return { inspectors: () => goInspectors(configOf(own)) as never, session: { companions: companions(own) } };
};

describeInspector({
  id: 'go.zip',
  inspectors,
  good: {
    name: 'a zip that the database lists',
    request: zipUrl,
    response: () => ({ body: zip }),
    session,
    opinion: 'Approved',
    metadata: { name: module, version, license: 'MIT', type: 'application/x.go.module.zip' },
    annotations: { h1: h1(filesOf()) },
  },
  cases: [
    {
      name: 'the same files in another order',
      request: zipUrl,
      response: async () => ({ body: await zipOf(Object.fromEntries(Object.entries(filesOf()).reverse())) }),
      session,
      opinion: 'Approved',
    },
    {
      name: 'one file more',
      request: zipUrl,
      response: async () => ({ body: await zipOf(filesOf({ 'evil.go': 'x' })) }),
      session,
      opinion: 'Rejected',
      reason: /expected mod\.example.* with h1:.*, found h1:/,
    },
  ],
});

it('a lookup whose tiles are not to be had is refused', async () => {
  const own = logWith(sums(), 3, 5);
  const fake = createFakeSession({ inspectors: goInspectors(configOf(own.log)), companions: {} });
  try {
    const { artifact } = await fake.download(lookupUrl, { body: own.log.lookup(own.index) });
    expect(artifact.get('go.sumdb')).toMatchObject({
      opinion: 'Rejected',
      reason: expect.stringMatching(/cannot be read/),
    });
  } finally {
    await fake.close();
  }
});

describe('zips that the database lists and that must not be let in', () => {
  it.each([
    ['a member outside', { ...filesOf(), 'other@v1/x.go': 'x' }, /outside of/],
    ['another module inside', filesOf({ 'go.mod': 'module evil.example/x\n' }), /found a go.mod of "evil.example/],
    ['a go.mod in another spelling', filesOf({ 'GO.MOD': 'module x\n' }), /another spelling/],
    ['another version as its directory', filesOf({}, `${module}@v9.9.9`), /outside of/],
  ])('%s', async (_name, files, reason) => {
    const own = listed(files as Record<string, string>);
    const fake = createFakeSession({ inspectors: own.inspectors(), ...own.session });
    try {
      const { artifact, result } = await fake.download(zipUrl, { body: await zipOf(files as Record<string, string>) });
      expect(result).toBe('Rejected');
      expect(artifact.get('go.zip')?.reason).toMatch(reason);
    } finally {
      await fake.close();
    }
  });
});

describeInspector({
  id: 'go.versions',
  inspectors,
  integrity: 'format',
  good: {
    name: 'what a version is',
    request: `${base}/${escapePath(module)}/@v/${version}.info`,
    response: { body: '{"Version":"v1.2.3","Time":"2026-01-02T03:04:05Z"}' },
    opinion: 'Approved',
    metadata: { version },
    annotations: { time: '2026-01-02T03:04:05Z' },
  },
  cases: [
    {
      name: 'of a branch',
      request: `${base}/${escapePath(module)}/@v/main.info`,
      response: { body: '{"Version":"v1.2.3"}' },
      opinion: 'Approved',
    },
    {
      name: 'the latest',
      request: `${base}/${escapePath(module)}/@latest`,
      response: { body: '{"Version":"v1.2.3"}' },
      opinion: 'Approved',
    },
    {
      name: 'a list',
      request: `${base}/${escapePath(module)}/@v/list`,
      response: { body: 'v1.0.0\nv1.2.3-0.20260101000000-abcdefabcdef\n' },
      opinion: 'Approved',
      annotations: { versions: 2 },
    },
    {
      name: 'a list with something else',
      request: `${base}/${escapePath(module)}/@v/list`,
      response: { body: 'v1.0.0\n<html>\n' },
      opinion: 'Rejected',
    },
  ],
});

describeInspector({
  id: 'go.import',
  inspectors,
  integrity: 'format',
  good: {
    name: 'a page that names a repository',
    request: 'https://vanity.example/x/tool?go-get=1',
    response: {
      body: `<html><head><meta content="vanity.example/x git https://git.example/x" name="go-import"></head></html>`,
    },
    opinion: 'Approved',
    annotations: { prefix: 'vanity.example/x', vcs: 'git', repository: 'https://git.example/x' },
  },
  cases: [
    {
      name: 'a page of another path',
      request: 'https://vanity.example/y?go-get=1',
      response: { body: '<meta name="go-import" content="vanity.example/x git https://git.example/x">' },
      opinion: 'Rejected',
    },
    { name: 'a page that is another place', request: 'https://other.example/x?go-get=1', claim: 'unclaimed' },
  ],
});

describe('the log', () => {
  const tiles = async (path: string) => log.serve(path);
  const { head, data } = parseLookup(log.lookup(index), parseVerifier(log.key));

  it.each([0, 1, 255, 256, 299, 300, 340])('record %i is included, another one in its place is not', async (at) => {
    const lookup = parseLookup(log.lookup(at), parseVerifier(log.key));
    const read = tileReader(head.size, tiles);
    expect(await includes(head, { index: at, hash: recordHash(lookup.data) }, read)).toBe(true);
    expect(await includes(head, { index: at, hash: recordHash(`${data}x`) }, read)).toBe(false);
  });

  it('every size of a tree extends every smaller one, and a tree with another history does not', async () => {
    const grown = createGoLog();
    const other = createGoLog();
    const heads: { size: number; root: Buffer }[] = [];
    const others: typeof heads = [];
    const lineOf = (n: number) => `m.example v0.0.${n} h1:${'A'.repeat(43)}=\n`;
    for (let n = 0; n < 20; n += 1) {
      grown.add(lineOf(n));
      other.add(lineOf(n === 2 ? 99 : n));
      heads.push(parseLookup(grown.lookup(0), parseVerifier(grown.key)).head);
      others.push(parseLookup(other.lookup(0), parseVerifier(other.key)).head);
    }
    for (const newer of heads) {
      for (const older of heads) {
        const read = tileReader(newer.size, async (path) => grown.serve(path));
        const isOlder = older.size <= newer.size;
        expect(await extendsTree(newer, older, read), `${older.size} in ${newer.size}`).toBe(isOlder);
        const stranger = others[older.size - 1] as (typeof heads)[0];
        if (isOlder && older.size > 2) expect(await extendsTree(newer, stranger, read)).toBe(false);
      }
    }
  });

  it('two histories are refused, whichever comes first', async () => {
    const known = new KnownLog();
    const fork = createGoLog();
    // The same key must sign both: a fork is made of the same log with other records.
    for (let n = 0; n < 5; n += 1) fork.add(`m.example v0.0.${n} h1:${'A'.repeat(43)}=\n`);
    const first = parseLookup(fork.lookup(0), parseVerifier(fork.key));
    await known.prove(first, async (path) => fork.serve(path));
    await expect(
      known.proveHead({ size: 5, root: Buffer.alloc(32) }, async (path) => fork.serve(path)),
    ).rejects.toThrow(/two histories/);
    await expect(
      known.proveHead({ size: 4, root: Buffer.alloc(32) }, async (path) => fork.serve(path)),
    ).rejects.toThrow(/two histories/);
    expect(known.newest?.size).toBe(5);
  });

  it.each([
    [0, 0, 256, 'tile/8/0/000'],
    [0, 1234067, 256, 'tile/8/0/x001/x234/067'],
    [1, 3, 7, 'tile/8/1/003.p/7'],
  ])('tile %i/%i of %i', (level, number, width, path) => expect(tilePath(level, number, width)).toBe(path));
});

describe('notes', () => {
  const verifier = parseVerifier(log.key);
  it.each([
    ['no signature', 'text\n\n'],
    ['nothing', ''],
    ['a signature line that is none', 'text\n\nsigned by me\n'],
    ['another text', log.latest().replace('tree\n3', 'tree\n4')],
    ['a cut', log.latest().slice(0, -5)],
  ])('%s', (_name, note) => expect(() => openNote(note, verifier)).toThrow(SignedNoteError));

  it.each(['', 'name', 'name+00000000+AAAA', log.key.replace(/\+[0-9a-f]{8}\+/, '+00000000+')])('key %j', (key) =>
    expect(() => parseVerifier(key)).toThrow(SignedNoteError),
  );
});

describe('paths and texts', () => {
  it.each(['github.example/Azure/go', 'a', 'a.b/c~d_e-f'])('%s is encoded and back', (path) => {
    expect(unescapePath(escapePath(path))).toBe(path);
  });

  it.each(['A/b', 'a!', 'a!1', '../x', 'a//b', 'a/./b', 'a b', 'a\u0000'])('%j names no module', (path) => {
    expect(parseProxyPath(`${path}/@v/list`)).toBeUndefined();
  });

  it.each([
    ['module a.example/x\n', 'a.example/x'],
    ['// c\nmodule "a.example/x" // y\n', 'a.example/x'],
    ['module `a.example/x`', 'a.example/x'],
    ['go 1.2\n', undefined],
  ])('%j', (text, path) => expect(modulePathOf(Buffer.from(text))).toBe(path));

  it('no answer breaks the readers in another way than their own error', () =>
    fc.assert(
      fc.property(fc.string(), fc.nat(400), (text, at) => {
        const good = log.lookup(index);
        for (const given of [text, good.slice(0, at) + text + good.slice(at)]) {
          for (const read of [() => parseLookup(given, parseVerifier(log.key)), () => parseSums(given)]) {
            try {
              read();
            } catch (error) {
              expect(error).toBeInstanceOf(SumDatabaseError);
            }
          }
        }
      }),
      { numRuns: 300 },
    ));
});
