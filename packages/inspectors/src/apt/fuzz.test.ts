import { gzipSync, zstdCompressSync } from 'node:zlib';
import { buildTar, paxHeader } from '@waybill/testkit';
import { beforeAll, describe, expect, it } from 'vitest';
import { xzSamples } from '../../test/apt-captured.js';
import {
  aptConfig,
  base,
  buildDeb,
  clearsign,
  dists,
  helloControl,
  helloCopyright,
  packageParagraph,
  releaseText,
  sourceParagraph,
  testKey,
} from '../../test/apt-fixtures.js';
import { chunked, fakeRequest } from '../../test/fakes.js';
import { parseAptUrl } from './apt-url.js';
import { decompressAny } from './bytes/decompress.js';
import { readTar } from './bytes/tar-reader.js';
import { parseCommands } from './commands.js';
import { readCopyright } from './copyright/copyright-file.js';
import { isSpdx } from './copyright/license-names.js';
import { readDeb } from './deb-archive.js';
import { parseDeb822 } from './deb822.js';
import { readDsc } from './dsc.js';
import { FormatProblem } from './format-problem.js';
import { readClearsigned } from './open-pgp.js';
import { parsePackages } from './packages-index.js';
import { parseRelease } from './release-file.js';
import { compileRepositories } from './repositories.js';
import { parseSources } from './sources-index.js';
import { countTranslations } from './translations.js';

/** Random numbers that are the same each run: a failure names its seed. */
function createRandom(seed: number): (below: number) => number {
  let state = (seed + 1) * 2654435761;
  return (below) => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return (state >>> 0) % below;
  };
}

const tokens = [
  '\n',
  '\n\n',
  ' ',
  ':',
  '\0',
  '\xff',
  '../',
  '/',
  '-1',
  '99999999999999999999',
  '0x',
  'ä',
  '`\n',
  '\r',
  '-----BEGIN PGP',
];

/** Changes bytes as damage and malice do: flips, cuts, repeats, moves, inserted tokens. */
function mutate(bytes: Buffer, random: (below: number) => number): Buffer {
  let out = Buffer.from(bytes);
  for (let round = 1 + random(4); round > 0; round -= 1) {
    const at = random(out.length + 1);
    const span = 1 + random(Math.max(1, Math.min(200, out.length)));
    const [head, tail] = [out.subarray(0, at), out.subarray(at)];
    const kind = random(6);
    if (kind === 0 && at < out.length) out[at] = (out[at] ?? 0) ^ (1 << random(8));
    else if (kind === 1) out = Buffer.concat([head, tail.subarray(span)]);
    else if (kind === 2) out = Buffer.concat([head, out.subarray(0, span), tail]);
    else if (kind === 3) out = Buffer.concat([tail, head]);
    else if (kind === 4) out = Buffer.concat([head, Buffer.from(tokens[random(tokens.length)] ?? '', 'latin1'), tail]);
    else out = Buffer.from(head);
  }
  return out;
}

const stream = (bytes: Buffer) => chunked(bytes, 97) as AsyncIterable<Buffer>;

async function drain(chunks: AsyncIterable<unknown>): Promise<void> {
  for await (const _ of chunks);
}

interface Target {
  readonly name: string;
  readonly seeds: () => readonly Buffer[];
  readonly rounds: number;
  /** Text without a form is text too. */
  readonly takesAnything?: boolean;
  /** Reads, and checks what must hold of whatever it accepts. */
  readonly read: (bytes: Buffer) => unknown;
}

let signed: Buffer;
beforeAll(async () => {
  signed = Buffer.from(await clearsign(releaseText(), await testKey()));
});

const packages = Buffer.from(
  packageParagraph('one') +
    packageParagraph('two', { Package: 'two', Filename: 'pool/two.deb', SHA512: 'a'.repeat(128) }),
);
const release = Buffer.from(
  releaseText({ files: { 'main/binary-amd64/Packages': packages, 'main/i18n/Translation-en': 'x' } }),
);
const tar = buildTar([
  { path: './', typeFlag: '5' },
  { path: 'x', typeFlag: 'L', body: 'a/long/name\0' },
  { path: 'y', body: 'content'.repeat(100) },
  paxHeader({ path: 'pax', size: '3' }),
  { path: 'z', body: 'pax' },
  { path: './link', typeFlag: '2', linkName: 'y' },
]);

const targets: Target[] = [
  {
    name: 'Release files',
    seeds: () => [release],
    rounds: 3000,
    read(bytes) {
      const found = parseRelease(bytes.toString('utf8'));
      for (const [path, entry] of found.entries) {
        expect(path).not.toMatch(/(^|\/)\.\.(\/|$)|^\//);
        expect(entry.sha256).toMatch(/^[0-9a-f]{64}$/);
      }
      expect(found.date.getTime()).not.toBeNaN();
    },
  },
  { name: 'clearsigned files', seeds: () => [signed], rounds: 600, read: (bytes) => readClearsigned(bytes) },
  {
    name: 'control files',
    seeds: () => [Buffer.from(helloControl), Buffer.from(helloCopyright)],
    rounds: 3000,
    read: (bytes) => parseDeb822(bytes.toString('utf8')),
  },
  {
    name: 'Packages files',
    seeds: () => [packages],
    rounds: 3000,
    async read(bytes) {
      const index = await parsePackages(stream(bytes));
      expect(index.count).toBeLessThanOrEqual(bytes.length / 100);
      const record = index.find('pool/two.deb');
      if (record) expect(record.sha256).toMatch(/^[0-9a-f]{64}$/);
    },
  },
  {
    name: 'Sources files',
    seeds: () => [Buffer.from(sourceParagraph({ 'a_1.dsc': 'dsc', 'a_1.tar.xz': 'tar' }).repeat(2))],
    rounds: 3000,
    async read(bytes) {
      const index = await parseSources(stream(bytes));
      expect(index.count).toBeLessThanOrEqual(bytes.length / 60);
      const record = index.find('pool/main/a/a/a_1.dsc');
      if (record) expect(record.sha256).toMatch(/^[0-9a-f]{64}$/);
    },
  },
  {
    name: '.dsc files',
    seeds: () => [
      Buffer.from('Format: 3.0 (quilt)\nSource: a\nVersion: 1\nChecksums-Sha256:\n 00 1 x\n'),
      Buffer.from(
        '-----BEGIN PGP SIGNED MESSAGE-----\nHash: SHA512\n\nSource: a\nVersion: 1\n\n-----BEGIN PGP SIGNATURE-----\n',
      ),
    ],
    rounds: 3000,
    read: (bytes) => expect(readDsc(bytes)).toMatchObject({ source: expect.stringMatching(/./) }),
  },
  {
    name: 'Translation files',
    seeds: () => [Buffer.from('Package: a\nDescription-md5: 0\nDescription-en: b\n c\n\n'.repeat(3))],
    rounds: 2000,
    read: (bytes) => countTranslations(stream(bytes)),
  },
  {
    name: 'Commands files',
    seeds: () => [Buffer.from('suite: a\ncomponent: b\narch: c\n\nname: x\nversion: 1\ncommands: y\n\n')],
    rounds: 2000,
    read: (bytes) => parseCommands(stream(bytes)),
  },
  {
    name: 'copyright files',
    seeds: () => [
      Buffer.from(helloCopyright),
      Buffer.from('GNU General Public License version 2, or any later version; Copyright (c) 2000 X'),
    ],
    rounds: 3000,
    takesAnything: true,
    read(bytes) {
      const { license } = readCopyright(bytes.toString('utf8'));
      expect(license === '' || isSpdx(license)).toBe(true);
    },
  },
  {
    name: 'tar archives',
    seeds: () => [tar],
    rounds: 2000,
    async read(bytes) {
      let total = 0;
      for await (const entry of readTar(stream(bytes))) total += (await entry.read(100)).length;
      expect(total).toBeLessThanOrEqual(bytes.length);
    },
  },
  {
    name: 'packages',
    seeds: () => [buildDeb({ compression: 'none' }), buildDeb(), buildDeb({ compression: 'zst' })],
    rounds: 1500,
    async read(bytes) {
      const { control } = await readDeb(stream(bytes), { controlBytes: 1 << 20, dataBytes: 1 << 20 });
      expect(control.get('package')).toBeTruthy();
    },
  },
  {
    name: 'gzip and zstd',
    seeds: () => [gzipSync(packages), zstdCompressSync(packages)],
    rounds: 1000,
    read: (bytes) => drain(decompressAny(stream(bytes), { maxBytes: 1 << 20 })),
  },
  {
    name: 'bzip2',
    seeds: () => [
      Buffer.from('QlpoOTFBWSZTWX0JV0IAAANBAeAAPAAAgAAIIAAxDAgbVMYpvOjiQywdwpkS34u5IpwoSD6Eq6EA', 'base64'),
    ],
    rounds: 600,
    read: (bytes) => drain(decompressAny(stream(bytes), { maxBytes: 1 << 20 })),
  },
  {
    name: 'xz',
    seeds: () => Object.values(xzSamples).map((base64) => Buffer.from(base64, 'base64')),
    rounds: 400,
    read: (bytes) => drain(decompressAny(stream(bytes), { maxBytes: 1 << 20 })),
  },
];

describe('whatever URL comes', () => {
  it('is read within the configured repository, or not at all', () => {
    const repositories = compileRepositories(aptConfig('-----BEGIN PGP PUBLIC KEY BLOCK-----', { suites: ['**'] }));
    const seeds = [
      `${dists}/InRelease`,
      `${dists}/main/binary-amd64/Packages.xz`,
      `${base}/pool/main/h/hello_1_all.deb`,
    ];
    let claimed = 0;
    for (let round = 0; round < 3000; round += 1) {
      const text = mutate(Buffer.from(seeds[round % seeds.length] ?? ''), createRandom(round)).toString('utf8');
      if (!URL.canParse(text) || !/^http:/.test(text)) continue;
      const target = parseAptUrl(fakeRequest(text), repositories);
      for (const place of target?.places ?? []) {
        claimed += 1;
        expect(place.origin).toBe(base);
        if ('path' in place) expect(place.path).not.toMatch(/(^|\/)\.\.?(\/|$)|^\/|\\/);
      }
    }
    expect(claimed).toBeGreaterThan(100);
  });
});

describe('whatever bytes come, parsers accept or say what is wrong', () => {
  it.each(targets.map((target) => [target.name, target] as const))('%s', { timeout: 60_000 }, async (_name, target) => {
    const seeds = target.seeds();
    let accepted = 0;
    for (let round = 0; round < target.rounds; round += 1) {
      const random = createRandom(round);
      const bytes = mutate(seeds[round % seeds.length] as Buffer, random);
      try {
        await target.read(bytes);
        accepted += 1;
      } catch (error) {
        if (!(error instanceof FormatProblem)) throw new Error(`round ${round}: ${String(error)}`, { cause: error });
      }
    }
    // Both happen, or the mutations miss the point.
    expect(accepted).toBeGreaterThan(0);
    if (target.takesAnything) expect(accepted).toBe(target.rounds);
    else expect(accepted).toBeLessThan(target.rounds);
  });
});
