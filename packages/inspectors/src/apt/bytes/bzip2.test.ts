import { describe, expect, it } from 'vitest';
import { chunked } from '../../../test/fakes.js';
import { FormatProblem } from '../format-problem.js';
import { decodeBzip2 } from './bzip2.js';
import { decompressAny } from './decompress.js';

/** Made by libbzip2 1.0.8. */
const samples: Readonly<Record<string, readonly [base64: string, content: Buffer]>> = {
  'nothing at all': ['QlpoORdyRThQkAAAAAA=', Buffer.alloc(0)],
  'runs of all lengths': [
    'QlpoOTFBWSZTWX0JV0IAAANBAeAAPAAAgAAIIAAxDAgbVMYpvOjiQywdwpkS34u5IpwoSD6Eq6EA',
    Buffer.from(`${'a'.repeat(1000)}bbbb${'c'.repeat(259)}ddddd`),
  ],
  'every byte': [
    'QlpoOTFBWSZTWS9yhSYAAAD/////////////////////////////////////////////sAFgACqqoCYCYAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAkwAEwABMAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAEmAAmAAJgAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAB/UBQJA0EQV/yDIOhCEoUhaGP/Q1DkPRBEUSRNFEVRZF0YRlGkbRxHUeR9IEhSJI0kSVJknShKUqStLEtS5L0wTFMkzTRNU2TdOE5TpO08T1Pk/UBQVCUNRFFUZR1IUlSlLUxTVOU9UFRVJU1UVVVlXVhWVaVtXFdV5X1gWFYljWRZVmWdaFpWpa1sW1blvXBcVyXNdF1XZd14Xlel7XxfV+X9gGBYJg2EYVhmHYhiWKYtjGNY5j2QZFkmTZRlWWZdmGZZpm2cZ1nmfaBoWiaNpGlaZp2oalqmraxrWua9sGxbJs20bVtm3bhuW6btvG9b5v3AcFwnDcRxXGcdyHJcpy3Mc1znPdB0XSdN1HVdZ13Ydl2nbdx3Xed94HheJ43keV5nneh6Xqet7Hte573wfF8nzfR9X2fd+H5fp+38f1/hdyRThQkC9yhSYA=',
    Buffer.from(Array.from({ length: 512 }, (_, at) => at & 0xff)),
  ],
  'two streams': [
    'QlpoOTFBWSZTWXgTwIIAAAHBAAAQAgGgACGaaDNNDLxdyRThQkHgTwIIQlpoOTFBWSZTWS63GtcAAAFBgAAQAACEgCAAIZpoM00HPF3JFOFCQLrca1w=',
    Buffer.from('one\ntwo\n'),
  ],
  'two blocks': [
    'QlpoMTFBWSZTWXAkeTYAQ2rbgAAQQAB/EEAAKohAADAAuAoaaYAChppgAClSjTNTQzU8ZUSMKJGyiR6USN1EjhRIyokeyhA1SEDooQOaiR8wRVS+lCBooQOihA0UIGChA0UIG9IQP5igrJMprJyZgr4AHQjtwAAIIAA/iCAAFUQgABgAWaihppgAE1VJ6E9TIPUClUCYCYygWEC3gLhAuUC8oFlAseqIpaRFL7RFLgpROilE9KUT+UonqIpbURS1RFLSBc7BVD4XckU4UJDZe/cQ',
    Buffer.from(Array.from({ length: 11_000 }, (_, at) => `Package: p${at % 7}\n`).join('')),
  ],
};

async function decode(bytes: Uint8Array, size = 7): Promise<Buffer> {
  const parts: Buffer[] = [];
  for await (const part of decodeBzip2(chunked(bytes, size))) parts.push(part);
  return Buffer.concat(parts);
}

describe('decodeBzip2', () => {
  it.each(Object.entries(samples))('reads %s', async (_name, [base64, content]) => {
    const bytes = Buffer.from(base64, 'base64');
    for (const size of [1, 7, 100_000]) expect((await decode(bytes, size)).equals(content)).toBe(true);
  });

  it.each(Object.entries(samples))('never gives other bytes than those of %s', async (name, [base64, content]) => {
    const bytes = Buffer.from(base64, 'base64');
    for (let at = 0; at < bytes.length; at += Math.ceil(bytes.length / 40)) {
      const changed = Buffer.from(bytes);
      changed[at] = (changed[at] as number) ^ 0x10;
      // Padding and tables that no group selects are not covered by the checksums, and change nothing.
      const found = await decode(changed).catch((error: unknown) => error);
      const isSame = Buffer.isBuffer(found) && found.equals(content);
      expect(isSame || found instanceof FormatProblem, `byte ${at} changed`).toBe(true);
      // Of two streams the first is a whole.
      if (name === 'two streams') continue;
      await expect(decode(bytes.subarray(0, at)), `cut at ${at}`).rejects.toThrow(FormatProblem);
    }
    await expect(decode(Buffer.concat([bytes, Buffer.from('rest')]))).rejects.toThrow(/no header/);
  });

  it('stops at the limit of what it may hold', async () => {
    const bytes = Buffer.from(samples['two blocks']?.[0] ?? '', 'base64');
    const reading = async () => {
      for await (const _ of decompressAny(chunked(bytes), { maxBytes: 100_000 }));
    };
    await expect(reading()).rejects.toThrow(/holds more than 100000 bytes/);
  });

  it('stops when it is told to', async () => {
    const bytes = Buffer.from(samples['two blocks']?.[0] ?? '', 'base64');
    const reading = async () => {
      for await (const _ of decodeBzip2(chunked(bytes), AbortSignal.abort(new Error('over'))));
    };
    await expect(reading()).rejects.toThrow('over');
  });
});
