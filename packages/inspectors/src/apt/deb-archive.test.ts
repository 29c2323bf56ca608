import { gzipSync, zstdCompressSync } from 'node:zlib';
import { buildTar } from '@waybill/testkit';
import { describe, expect, it } from 'vitest';
import { buildAr, buildDeb, helloControl, helloCopyright } from '../../test/apt-fixtures.js';
import { chunked } from '../../test/fakes.js';
import { type DebLimits, readDeb } from './deb-archive.js';
import { FormatProblem } from './format-problem.js';

const read = (bytes: Uint8Array, limits?: DebLimits, size?: number) => readDeb(chunked(bytes, size), limits);
const control = gzipSync(buildTar([{ path: './control', body: helloControl }]));
const data = gzipSync(buildTar([{ path: './usr/share/doc/hello/copyright', body: helloCopyright }]));
const version = { name: 'debian-binary', body: '2.0\n' };

describe('readDeb', () => {
  it.each([
    ['none', 1 << 20],
    ['none', 1],
    ['gz', 1021],
    ['zst', 1021],
  ] as const)('reads members in %s from chunks of %s bytes', async (compression, size) => {
    const deb = await read(buildDeb({ compression }), {}, size);
    expect(deb.control.get('package')).toBe('hello');
    expect(deb.control.get('description')).toBe('says hello\n in many words');
    expect(deb.copyright).toBe(helloCopyright);
  });

  it('takes members in odd sizes, GNU names, skipped members and what follows data.tar', async () => {
    const deb = buildAr([
      { name: 'debian-binary/', body: '2.0\nodd' },
      { name: '_signature', body: 'x' },
      { name: 'control.tar.gz/', body: control },
      { name: '_gpgorigin', body: 'xyz' },
      { name: 'data.tar.gz', body: data },
      { name: 'whatever', body: 'more' },
    ]);
    expect((await read(deb)).copyright).toBe(helloCopyright);
  });

  it("takes another folder's copyright when its own is missing, and says when there is none", async () => {
    const other = await read(buildDeb({ data: [{ path: './usr/share/doc/other/copyright', body: 'text' }] }));
    expect(other.copyright).toBe('text');
    const linked = await read(
      buildDeb({ data: [{ path: './usr/share/doc/hello', typeFlag: '2', linkName: 'hello-common' }] }),
    );
    expect(linked).toMatchObject({ copyrightNote: expect.stringContaining('hello-common') });
    expect(await read(buildDeb({ data: [] }))).toMatchObject({
      copyrightNote: expect.stringContaining('no usr/share'),
    });
  });

  it('prefers its own copyright wherever it stands', async () => {
    const deb = await read(
      buildDeb({
        data: [
          { path: './usr/share/doc/aaa/copyright', body: 'other' },
          { path: './usr/share/doc/hello/copyright', body: 'own' },
        ],
      }),
    );
    expect(deb.copyright).toBe('own');
  });

  it('reads no further than its limits: the copyright is missing then, the rest is not', async () => {
    const big = buildDeb({
      data: [
        { path: './big', body: Buffer.alloc(4 << 20) },
        { path: './usr/share/doc/hello/copyright', body: 'own' },
      ],
    });
    const deb = await read(big, { dataBytes: 1 << 20 });
    expect(deb.control.get('package')).toBe('hello');
    expect(deb).toMatchObject({ copyrightNote: expect.stringContaining('more than 1048576 bytes') });
    const cut = await read(buildDeb(), { copyrightBytes: 10 });
    expect(cut.copyright).toBe(helloCopyright.slice(0, 10));
  });

  it('does not mind damaged data beside an intact control file', async () => {
    const deb = await read(
      buildAr([
        version,
        { name: 'control.tar.gz', body: control },
        { name: 'data.tar.gz', body: data.subarray(0, 40) },
      ]),
    );
    expect(deb.copyrightNote).toMatch(/data\.tar\.gz damaged gzip/);
  });

  it.each<[string, Uint8Array, RegExp]>([
    ['nothing', Buffer.alloc(0), /no ar archive/],
    ['text', Buffer.from('hello world, this is no archive'), /no ar archive/],
    ['only the magic', Buffer.from('!<arch>\n'), /debian-binary/],
    ['another first member', buildAr([{ name: 'control.tar.gz', body: control }]), /expected debian-binary/],
    ['version 3.0', buildDeb({ formatVersion: '3.0\n' }), /expected 2\.0/],
    ['version 2.1', buildDeb({ formatVersion: '2.1\n' }), /expected 2\.0/],
    ['version without line end', buildDeb({ formatVersion: '2.0' }), /expected 2\.0/],
    ['a long version', buildDeb({ formatVersion: '2.0\n'.padEnd(5000) }), /debian-binary of 5000/],
    [
      'data before control',
      buildAr([version, { name: 'data.tar.gz', body: data }, { name: 'control.tar.gz', body: control }]),
      /where control\.tar should be/,
    ],
    ['no control', buildAr([version]), /has no control\.tar/],
    ['no data', buildAr([version, { name: 'control.tar.gz', body: control }]), /has no data\.tar/],
    [
      'a second control',
      buildAr([version, { name: 'control.tar.gz', body: control }, { name: 'control.tar.gz', body: control }]),
      /where data\.tar should be/,
    ],
    ['bzip2', buildAr([version, { name: 'control.tar.bz2', body: 'BZh' }]), /expected control\.tar plain or/],
    [
      'xz that is none',
      buildAr([version, { name: 'control.tar.xz', body: control }]),
      /control\.tar\.xz: not in the xz format/,
    ],
    ['a member with a path', buildAr([{ name: '../debian-bin', body: '2.0\n' }]), /member named/],
    ['a member without name', buildAr([{ name: '', body: '2.0\n' }]), /member named/],
    [
      'a member of negative size',
      buildAr([{ name: 'debian-binary', body: '2.0\n', claimedSize: '-4' }]),
      /damaged member header/,
    ],
    [
      'a member of size 0x4',
      buildAr([{ name: 'debian-binary', body: '2.0\n', claimedSize: '0x4' }]),
      /damaged member header/,
    ],
    [
      'a member larger than the file',
      buildAr([version, { name: 'control.tar.gz', body: control, claimedSize: '9999999999' }]),
      /ends after/,
    ],
    [
      'many members',
      buildAr([version, ...Array.from({ length: 40 }, () => ({ name: '_x', body: '' }))]),
      /more than 32 members/,
    ],
    [
      'a control file that is a link',
      withControl(buildTar([{ path: './control', typeFlag: '2', linkName: '/etc/passwd' }])),
      /no control file/,
    ],
    [
      'a control file in a folder',
      withControl(buildTar([{ path: './x/control', body: helloControl }])),
      /no control file/,
    ],
    [
      'a control file that is no UTF-8',
      withControl(
        buildTar([
          { path: './control', body: Buffer.concat([Buffer.from(helloControl), Buffer.from('X: \xff\n', 'latin1')]) },
        ]),
      ),
      /UTF-8/,
    ],
    [
      'a control file of two paragraphs',
      withControl(buildTar([{ path: './control', body: `${helloControl}\n${helloControl}` }])),
      /2 paragraphs/,
    ],
    ['an empty control file', withControl(buildTar([{ path: './control', body: '' }])), /0 paragraphs/],
    [
      'a control file without Version',
      withControl(buildTar([{ path: './control', body: helloControl.replace(/^Version.*\n/m, '') }])),
      /lacks version/,
    ],
    [
      'a control file with Package twice',
      withControl(buildTar([{ path: './control', body: `${helloControl}Package: other\n` }])),
      /second time/,
    ],
    [
      'a control file of 2 MiB',
      withControl(buildTar([{ path: './control', body: Buffer.alloc(2 << 20, 'a') }])),
      /control file of 2097152/,
    ],
    ['a damaged control.tar', withControl(Buffer.from('x'.repeat(2000))), /control\.tar: tar/],
  ])('refuses %s', async (_name, bytes, reason) => {
    const failure = await read(bytes).catch((error: unknown) => error);
    expect(failure).toBeInstanceOf(FormatProblem);
    expect((failure as Error).message).toMatch(reason);
  });

  it('refuses a control.tar that expands without end', async () => {
    const bomb = zstdCompressSync(
      buildTar([
        { path: './zeros', body: Buffer.alloc(8 << 20) },
        { path: './control', body: helloControl },
      ]),
    );
    const deb = buildAr([version, { name: 'control.tar.zst', body: bomb }, { name: 'data.tar.gz', body: data }]);
    await expect(read(deb, { controlBytes: 1 << 20 })).rejects.toThrow(/more than 1048576/);
  });

  it('ends its source whatever happens', async () => {
    for (const bytes of [buildDeb(), buildDeb({ formatVersion: '3' }), Buffer.from('x'), buildDeb({ data: [] })]) {
      const source = chunked(bytes);
      await readDeb(source).catch(() => {});
      expect(source.destroyed).toBe(true);
    }
  });
});

function withControl(tar: Uint8Array): Buffer {
  return buildAr([version, { name: 'control.tar', body: tar }, { name: 'data.tar.gz', body: data }]);
}
