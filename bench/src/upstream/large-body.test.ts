import { createHash } from 'node:crypto';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { writeLargeBody } from './large-body.ts';

const mib = 1024 * 1024;
let dir: string;
beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'bench-body-'));
});
afterEach(() => rm(dir, { recursive: true, force: true }));

const sha256 = (bytes: Buffer) => createHash('sha256').update(bytes).digest('hex');

describe('writeLargeBody', () => {
  it.each([1, 3, 8])('of %i MiB: length, digest and pieces are those of the file', async (size) => {
    const file = join(dir, 'body');
    const body = await writeLargeBody(file, 'body', size * mib);
    const written = await readFile(file);
    expect(body).toMatchObject({ bytes: size * mib, sha256: sha256(written) });
    expect(written).toHaveLength(size * mib);
    expect(body.pieces).toHaveLength(16);
    expect(body.pieces[0]?.at).toBe(0);
    let end = 0;
    for (const piece of body.pieces) {
      expect(piece.at).toBeGreaterThanOrEqual(end);
      end = piece.at + piece.bytes;
      expect(piece.sha256).toBe(sha256(written.subarray(piece.at, end)));
    }
    expect(end).toBe(written.length);
  });

  it('gives the same name the same bytes, and another name others', async () => {
    const digests = [];
    for (const name of ['a', 'b', 'a']) digests.push((await writeLargeBody(join(dir, name), name, mib)).sha256);
    expect(digests[2]).toBe(digests[0]);
    expect(digests[1]).not.toBe(digests[0]);
  });
});
