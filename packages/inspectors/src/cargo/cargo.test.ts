import { createHash } from 'node:crypto';
import { Readable } from 'node:stream';
import { gunzipSync, gzipSync } from 'node:zlib';
import type { InspectorsConfig } from '@waybill/contracts';
import { buildTgz, type TarMemberInput } from '@waybill/testkit';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { describeInspector, type InspectorCase } from '../../test/describe-inspector.js';
import { createFakeSession, type FakeSession } from '../../test/fake-session.js';
import { ArchiveError, archiveLimits } from '../archive/expand.js';
import { cargoIndex } from './cargo-index.js';
import { cargoCrate } from './crate.js';
import { CargoIndexError, readIndexLines } from './index-lines.js';
import { indexPathOf, parseCratePath, parseIndexPath } from './index-path.js';
import { readCrateManifest } from './manifest.js';

const index = 'https://index.registry.example/sparse';
const config: InspectorsConfig = {
  cargo: {
    registries: {
      main: { index: `${index}/`, downloads: ['https://static.registry.example/crates/**'] },
      other: { index: 'https://other.registry.example/index/', downloads: ['https://other.registry.example/**'] },
    },
  },
};
const inspectors = () => [cargoIndex(config), cargoCrate(config)];

const manifest = `[package]
name = "Left_pad"
version = "1.2.3-rc.1"
description = "Pads\\ttext"
authors = ["Ann <ann@mail.example>", "Bob"]
license = "MIT/Apache-2.0"
`;
const directory = 'Left_pad-1.2.3-rc.1';
const member = (
  path: string,
  content: string | Uint8Array = '',
  more: Partial<TarMemberInput> = {},
): TarMemberInput => ({
  path: `${directory}/${path}`,
  body: content,
  ...more,
});
const crateOf = (...members: TarMemberInput[]) => buildTgz(members);
const crate = crateOf(member('Cargo.toml', manifest), member('src/lib.rs', 'fn x() {}'));

const sha256 = (bytes: Uint8Array) => createHash('sha256').update(bytes).digest('hex');
const line = (fields: object = {}) =>
  JSON.stringify({
    name: 'Left_pad',
    vers: '1.2.3-rc.1',
    deps: [],
    cksum: sha256(crate),
    features: {},
    yanked: false,
    ...fields,
  });
const lines = (...all: string[]) => `${all.join('\n')}\n`;
const linesUrl = `${index}/le/ft/left_pad`;
const crateUrl = 'https://static.registry.example/crates/Left_pad/1.2.3-rc.1/download';
const listing =
  (...all: string[]) =>
  (session: FakeSession) =>
    session.download(linesUrl, { body: lines(...(all.length > 0 ? all : [line()])) });

describeInspector({
  id: 'cargo.index',
  inspectors,
  integrity: 'format',
  good: {
    name: 'lines of a crate',
    request: linesUrl,
    response: { body: lines(line(), line({ vers: '1.2.2', yanked: true })) },
    opinion: 'Approved',
    metadata: { type: 'application/x.rust.index', vendor: 'index.registry.example', purl: 'pkg:cargo/Left_pad' },
    annotations: { versions: 2, yanked: 1 },
  },
  cases: [
    {
      name: 'config.json',
      request: `${index}/config.json`,
      response: { body: '{"dl":"https://static.registry.example/crates","api":"https://registry.example"}' },
      opinion: 'Approved',
      metadata: { vendor: 'https://registry.example', author: 'https://registry.example' },
      annotations: { 'auth-required': false, downloads: 'https://static.registry.example/crates' },
    },
    {
      name: 'config.json of a registry that wants credentials',
      request: `${index}/config.json`,
      response: { body: '{"dl":"https://x.example/{crate}","auth-required":true}' },
      opinion: 'Approved',
      annotations: { 'auth-required': true },
    },
    ...(
      [
        ['config.json without dl', '{"api":"https://registry.example"}', /no `dl`/],
        ['config.json that is a page', '<html>', /expected config.json/],
      ] as const
    ).map(
      ([name, body, reason]): InspectorCase => ({
        name,
        request: `${index}/config.json`,
        response: { body },
        opinion: 'Rejected',
        reason,
      }),
    ),
    ...(
      [
        ['lines of another crate', lines(line({ name: 'right_pad' })), /expected lines of left_pad, found "right_pad"/],
        ['lines in two spellings', lines(line(), line({ name: 'left_pad', vers: '1.0.0' })), /two ways/],
        ['one version twice', lines(line(), line({ cksum: '0'.repeat(64) })), /listed twice/],
        ['a checksum that is none', lines(line({ cksum: 'abc' })), /no sha256/],
        ['a version that is none', lines(line({ vers: '../1' })), /no name or no version/],
        ['half a line', lines(line()).slice(0, 40), /not JSON/],
        ['lines of arrays', '[1]\n', /no name or no version/],
        ['null', 'null\n', /not an object/],
        ['a page', '<html>', /not JSON/],
        ['a line without end', '"'.repeat(1_100_000), /longer than/],
        ['what is not UTF-8', Buffer.from([0xff, 0xfe, 10]), /not UTF-8/],
      ] as const
    ).map(
      ([name, body, reason]): InspectorCase => ({
        name,
        request: linesUrl,
        response: { body },
        opinion: 'Rejected',
        reason,
      }),
    ),
    {
      name: 'prototype keys are only keys',
      request: linesUrl,
      response: { body: lines(line({ __proto__: 1 })) },
      opinion: 'Approved',
    },
    {
      name: 'the index as a git repository',
      request: `${index}/info/refs?service=git-upload-pack`,
      claim: 'Rejected',
      claimReason: /sparse\+/,
    },
    { name: 'a POST', request: { url: linesUrl, method: 'POST' }, claim: 'Rejected', claimReason: /only reads/ },
    { name: 'a path in the wrong place', request: `${index}/aa/bb/left_pad`, claim: 'unclaimed' },
    { name: 'a path in upper case', request: `${index}/Le/ft/Left_pad`, claim: 'unclaimed' },
    { name: 'another host', request: 'https://index.example/sparse/le/ft/left_pad', claim: 'unclaimed' },
  ],
});

describeInspector({
  id: 'cargo.crate',
  inspectors,
  good: {
    name: 'a crate that the index lists',
    request: crateUrl,
    response: { body: crate },
    before: listing(),
    opinion: 'Approved',
    metadata: {
      type: 'application/x.rust.crate',
      name: 'Left_pad',
      version: '1.2.3-rc.1',
      author: 'Ann <ann@mail.example>, Bob',
      license: 'MIT OR Apache-2.0',
      vendor: 'index.registry.example',
      purl: 'pkg:cargo/Left_pad@1.2.3-rc.1',
    },
  },
  cases: [
    {
      name: 'the form <name>-<version>.crate',
      request: 'https://static.registry.example/crates/Left_pad/Left_pad-1.2.3-rc.1.crate?x=1',
      response: { body: crate },
      before: listing(),
      opinion: 'Approved',
    },
    {
      name: 'a URL that does not tell name and version',
      request: 'https://static.registry.example/crates/by-digest/0123',
      response: { body: crate },
      before: listing(),
      opinion: 'Approved',
    },
    {
      name: 'a crate before its index',
      request: crateUrl,
      response: { body: crate },
      opinion: 'Rejected',
      reason: /no index of cargo\.registries\.main that this session trusts lists Left_pad/,
    },
    {
      name: 'a crate of a version that is not listed',
      request: crateUrl,
      response: { body: crate },
      before: listing(line({ vers: '9.0.0' })),
      opinion: 'Rejected',
      reason: /no index/,
    },
    {
      name: 'a crate that another registry lists',
      request: 'https://other.registry.example/Left_pad/1.2.3-rc.1/download',
      response: { body: crate },
      before: listing(),
      opinion: 'Rejected',
      reason: /cargo\.registries\.other/,
    },
    {
      name: 'other bytes under the right name',
      request: crateUrl,
      response: { body: crateOf(member('Cargo.toml', manifest), member('build.rs', 'evil')) },
      before: listing(),
      opinion: 'Rejected',
      reason: /expected Left_pad 1\.2\.3-rc\.1 with sha256:[0-9a-f]{64}, found sha256:/,
    },
    {
      name: 'the good bytes, unpacked and packed again',
      request: crateUrl,
      response: { body: gzipSync(gunzipSync(crate), { level: 1 }) },
      before: listing(),
      opinion: 'Rejected',
    },
    ...hostileCrates(),
    { name: 'a PUT', request: { url: crateUrl, method: 'PUT' }, claim: 'Rejected', claimReason: /only reads/ },
    {
      name: 'a place that no registry names',
      request: 'https://static.registry.example/elsewhere/a/1.0.0/download',
      claim: 'unclaimed',
    },
  ],
});

/** Crates that an index vouches for and that must not be let in all the same. */
function hostileCrates(): InspectorCase[] {
  const toml = member('Cargo.toml', manifest);
  const crates: [string, Buffer, RegExp][] = [
    ['another name inside', crateOf(member('Cargo.toml', manifest.replace('Left_pad', 'evil'))), /directory is|holds/],
    [
      'another version inside',
      crateOf(member('Cargo.toml', manifest.replace('1.2.3-rc.1', '1.2.3'))),
      /directory is|holds/,
    ],
    ['a member outside', crateOf(toml, { path: `${directory}/../../x`, body: '' }), /a path with \.\./],
    ['an absolute member', crateOf(toml, { path: '/etc/x', body: '' }), /absolute/],
    ['two directories', crateOf(toml, { path: 'evil/x', body: '' }), /more than one directory/],
    ['a link', crateOf(toml, member('x', '', { typeFlag: '2', linkName: '/etc/passwd' })), /type symlink/],
    ['two manifests', crateOf(toml, toml), /two Cargo\.toml/],
    ['a manifest in another spelling', crateOf(member('cargo.toml', manifest)), /another spelling/],
    ['no manifest', crateOf(member('src/lib.rs', '')), /no Cargo\.toml/],
    ['a manifest that is not TOML', crateOf(member('Cargo.toml', '[package')), /not TOML/],
    ['a manifest that is not UTF-8', crateOf(member('Cargo.toml', Buffer.from([0xff]))), /not TOML/],
    ['a manifest without package', crateOf(member('Cargo.toml', '[lib]\n')), /no \[package\]/],
    ['a bomb', gzipSync(Buffer.alloc(64 << 20)), /damaged|expands|no Cargo/],
    ['no archive', Buffer.from('hello'), /damaged|no Cargo/],
  ];
  return crates.map(([name, body, reason]) => ({
    name: `a listed crate with ${name}`,
    request: crateUrl,
    response: { body },
    before: listing(line({ cksum: sha256(body) })),
    opinion: 'Rejected' as const,
    reason,
  }));
}

describe('vouched digests', () => {
  it('are known before the crate is fetched', async () => {
    const session = createFakeSession({ inspectors: inspectors() });
    try {
      expect((await session.download(crateUrl, { body: crate })).vouched).toEqual([]);
      await listing()(session);
      expect((await session.download(crateUrl, { body: crate })).vouched).toMatchObject([
        { digests: [{ algorithm: 'sha256', hex: sha256(crate) }] },
      ]);
    } finally {
      await session.close();
    }
  });
});

describe('paths', () => {
  it.each(['a', 'ab', 'abc', 'abcd', 'left_pad', 'A-b_9'])('index of %s', (name) => {
    expect(parseIndexPath(indexPathOf(name))).toEqual({ kind: 'crate', name: name.toLowerCase() });
  });

  it.each([
    ['/crates/serde/1.0.0/download', { name: 'serde', version: '1.0.0' }],
    ['/crates/a-1-b/a-1-b-0.1.0-alpha.1+x.crate', { name: 'a-1-b', version: '0.1.0-alpha.1+x' }],
    ['/crates/a/a-0.1.0%2Bx.crate', { name: 'a', version: '0.1.0+x' }],
    ['/crates/serde/latest/download', undefined],
    ['/crates/../1.0.0/download', undefined],
    ['/crates/%ff/1.0.0/download', undefined],
    ['/download', undefined],
    ['/x.crate', undefined],
  ])('%s', (path, parsed) => expect(parseCratePath(path)).toEqual(parsed));
});

describe('hostile bytes', () => {
  const stream = (bytes: Uint8Array) => Readable.from([Buffer.from(bytes)], { objectMode: false });

  it('no index file breaks the reader in another way than its own error', () =>
    fc.assert(
      fc.asyncProperty(
        fc.oneof(
          fc.uint8Array({ maxLength: 300 }),
          fc.json().map((text) => Buffer.from(text)),
        ),
        async (bytes) => {
          await readIndexLines(stream(bytes), 'left_pad').catch((error) =>
            expect(error).toBeInstanceOf(CargoIndexError),
          );
        },
      ),
      { numRuns: 500 },
    ));

  it('no manifest breaks the reader in another way than its own error', () =>
    fc.assert(
      fc.asyncProperty(
        fc.oneof(
          fc.string(),
          fc.string().map((text) => `[package]\n${text}`),
        ),
        async (text) => {
          const signal = new AbortController().signal;
          const archive = crateOf(member('Cargo.toml', text));
          await readCrateManifest(stream(archive), { limits: archiveLimits, signal }).catch((error) =>
            expect(error).toBeInstanceOf(ArchiveError),
          );
        },
      ),
      { numRuns: 200 },
    ));
});
