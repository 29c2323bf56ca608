import { buffer } from 'node:stream/consumers';
import { describe, expect, it } from 'vitest';
import { ZipFile } from 'yazl';
import { fakeArtifact } from '../../test/fakes.js';
import { ArchiveError, archiveLimits } from './expand.js';
import { walkZip, type ZipMember } from './zip.js';

const options = { limits: archiveLimits, signal: new AbortController().signal };

async function zipOf(members: Readonly<Record<string, string | Buffer>>): Promise<Buffer> {
  const zip = new ZipFile();
  for (const [path, content] of Object.entries(members))
    zip.addBuffer(Buffer.from(content), path, { mtime: new Date(0) });
  zip.end();
  return buffer(zip.outputStream as never);
}

async function contentsOf(bytes: Buffer, given: Partial<typeof options> = {}): Promise<Record<string, string>> {
  const found: Record<string, string> = {};
  const read = async (member: ZipMember) => {
    found[member.path] = (await member.read(1 << 20)).toString();
  };
  await walkZip(fakeArtifact('https://registry.example/x.zip', { body: bytes }), read, { ...options, ...given });
  return found;
}

describe('walkZip', () => {
  it('reads members in the order of the directory', async () => {
    const members = { 'a/METADATA': 'Name: a\n', 'b.txt': 'x'.repeat(100_000), empty: '' };
    expect(await contentsOf(await zipOf(members))).toEqual(members);
  });

  it('reads a member by stream', async () => {
    const source = fakeArtifact('https://registry.example/x.zip', { body: await zipOf({ a: 'abc' }) });
    const texts: string[] = [];
    await walkZip(source, async (member) => void texts.push((await buffer(await member.open())).toString()), options);
    expect(texts).toEqual(['abc']);
  });

  /** The first member's own header begins the file; the directory is at its end. */
  const inDirectory = (bytes: Buffer, name: string) => bytes.lastIndexOf(name);

  it.each([
    ['no zip at all', async () => Buffer.from('hello '.repeat(100)), /damaged/],
    ['nothing', async () => Buffer.alloc(0), /damaged/],
    ['a truncated archive', async () => (await zipOf({ a: 'abc', b: 'def' })).subarray(0, 60), /damaged/],
    [
      'another name in the member than in the directory',
      async () => {
        const bytes = await zipOf({ 'setup.py': 'x' });
        bytes.write('evil0.py', inDirectory(bytes, 'setup.py'));
        return bytes;
      },
      /in one place and otherwise in another/,
    ],
    [
      'two members of one name',
      async () => {
        const bytes = await zipOf({ aa: 'x', ab: 'y' });
        bytes.write('aa', bytes.indexOf('ab'));
        bytes.write('aa', inDirectory(bytes, 'ab'));
        return bytes;
      },
      /two members "aa"/,
    ],
    [
      'a path out of the directory',
      async () => {
        const bytes = await zipOf({ 'aa/bb/cc': 'x' });
        bytes.write('../../cc', 30);
        bytes.write('../../cc', inDirectory(bytes, 'aa/bb/cc'));
        return bytes;
      },
      /damaged: invalid relative path/,
    ],
    [
      'a flipped byte in the content',
      async () => {
        const zip = new ZipFile();
        zip.addBuffer(Buffer.from('stored as it is'), 'a', { compress: false });
        zip.end();
        const bytes = await buffer(zip.outputStream as never);
        bytes.write('S', bytes.indexOf('stored'));
        return bytes;
      },
      /"a" does not have the checksum/,
    ],
  ])('refuses %s', async (_name, make, message) => {
    const bytes = await make();
    await expect(contentsOf(bytes)).rejects.toThrow(ArchiveError);
    await expect(contentsOf(bytes)).rejects.toThrow(message);
  });

  it.each([
    ['expands too much', { ratioFreeBytes: 1000, maxRatio: 10 }, /expands more than 10 times/],
    ['is too large', { maxBytes: 50_000 }, /more than 50000 bytes/],
    ['has too many members', { maxEntries: 1 }, /more than 1 members/],
  ])('refuses an archive that %s', async (_name, limits, message) => {
    const bytes = await zipOf({ a: 'x'.repeat(100_000), b: '' });
    await expect(contentsOf(bytes, { limits: { ...archiveLimits, ...limits } })).rejects.toThrow(message);
  });

  it('throws what the visitor throws, and heeds the signal', async () => {
    const source = fakeArtifact('https://registry.example/x.zip', { body: await zipOf({ a: 'abc' }) });
    const fault = new TypeError('mine');
    await expect(walkZip(source, () => Promise.reject(fault), options)).rejects.toBe(fault);
    const signal = AbortSignal.abort(new Error('over'));
    await expect(walkZip(source, () => {}, { ...options, signal })).rejects.toThrow('over');
  });
});
