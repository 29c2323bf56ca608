import { buildTar, paxHeader, type TarMemberInput } from '@waybill/testkit';
import { describe, expect, it } from 'vitest';
import { chunked } from '../../../test/fakes.js';
import { FormatProblem } from '../format-problem.js';
import { readTar } from './tar-reader.js';

async function list(bytes: Uint8Array, size?: number): Promise<string[]> {
  const found: string[] = [];
  for await (const entry of readTar(chunked(bytes, size))) {
    const content = entry.type === 'file' ? (await entry.read(1 << 20)).toString() : '';
    found.push([entry.type, entry.path, entry.linkTarget, content].filter(Boolean).join(' '));
  }
  return found;
}

const long = `${'d/'.repeat(120)}name`;
const octalSize = (bytes: Buffer, at: number, text: string) => {
  const copy = Buffer.from(bytes);
  copy.write(text, at + 124, 'latin1');
  let sum = 8 * 32;
  for (let i = 0; i < 512; i += 1) if (i < 148 || i >= 156) sum += copy[at + i] ?? 0;
  copy.write(`${sum.toString(8).padStart(6, '0')}\0 `, at + 148);
  return copy;
};

describe('readTar', () => {
  const members: TarMemberInput[] = [
    { path: './', typeFlag: '5' },
    { path: './a', body: 'A' },
    { path: './link', typeFlag: '2', linkName: 'a' },
    { path: './hard', typeFlag: '1', linkName: './a', claimedSize: 1 },
    { path: './b', body: 'B'.repeat(600) },
    { path: 'x', typeFlag: 'L', body: `${long}\0` },
    { path: 'short', body: 'long' },
    paxHeader({ path: 'pax/ä', mtime: '1.5', size: '3' }),
    { path: 'short', body: 'pax' },
    { path: './dev', typeFlag: '3' },
  ];
  const wanted = [
    'directory ./',
    'file ./a A',
    'symlink ./link a',
    'link ./hard ./a',
    `file ./b ${'B'.repeat(600)}`,
    `file ${long} long`,
    'file pax/ä pax',
    'other ./dev',
  ];

  it.each([1, 7, 512, 1021, 1 << 20])('lists members from chunks of %s bytes', async (size) => {
    expect(await list(buildTar(members), size)).toEqual(wanted);
  });

  it('skips what is not read', async () => {
    const paths: string[] = [];
    for await (const { path } of readTar(chunked(buildTar(members)))) paths.push(path);
    expect(paths).toHaveLength(wanted.length);
  });

  it('ends its source when the loop is broken off', async () => {
    const source = chunked(buildTar(members));
    for await (const _ of readTar(source)) break;
    expect(source.destroyed).toBe(true);
  });

  it('takes an archive without its closing blocks, and an empty one', async () => {
    expect(await list(buildTar([{ path: 'a', body: 'A' }], { eof: false }))).toEqual(['file a A']);
    expect(await list(Buffer.alloc(0))).toEqual([]);
    expect(await list(Buffer.alloc(1024))).toEqual([]);
  });

  const one = buildTar([{ path: 'a', body: 'A' }], { eof: false });
  it.each<[string, Buffer, RegExp]>([
    ['a wrong checksum', buildTar([{ path: 'a', badChecksum: true }]), /wrong checksum/],
    ['a member longer than the archive', buildTar([{ path: 'a', claimedSize: 2 ** 30 }], { eof: false }), /ends after/],
    ['half a header', one.subarray(0, 300), /inside a header/],
    ['an endless long name', buildTar([{ path: 'a', typeFlag: 'L', claimedSize: 2 ** 32 }]), /a name of/],
    ['an endless pax header', buildTar([{ path: 'a', typeFlag: 'x', claimedSize: 2 ** 32 }]), /a name of/],
    ['a pax record with a wrong length', buildTar([{ path: 'a', typeFlag: 'x', body: '99 path=x\n' }]), /pax/],
    ['a pax record of length zero', buildTar([{ path: 'a', typeFlag: 'x', body: '0 path=x\n' }]), /pax/],
    ['a pax record without length', buildTar([{ path: 'a', typeFlag: 'x', body: 'path=x' }]), /pax/],
    ['a pax size that is no number', buildTar([paxHeader({ size: '-1' }), { path: 'a' }]), /size/],
    ['a size that is not octal', octalSize(one, 0, '0000000009x\0'), /number/],
    ['a negative size', octalSize(one, 0, '-0000000001\0'), /number/],
    ['a size beyond numbers', octalSize(one, 0, '\xff'.repeat(12)), /too large/],
    ['text', Buffer.from('hello '.repeat(200)), /number|checksum/],
  ])('refuses %s', async (_name, bytes, reason) => {
    const failure = await list(bytes).catch((error: unknown) => error);
    expect(failure).toBeInstanceOf(FormatProblem);
    expect((failure as Error).message).toMatch(reason);
  });
});
