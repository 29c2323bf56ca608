import { randomBytes } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { chunked } from '../../../test/fakes.js';
import { storedXz } from '../../../test/stored-xz.js';
import { FormatProblem } from '../format-problem.js';
import { decodeXz } from './xz.js';
import { isXzProgramMissing } from './xz-program.js';

const { PATH } = process.env;

beforeAll(() => {
  process.env.PATH = '/nowhere';
});

afterAll(() => {
  process.env.PATH = PATH;
});

describe('decodeXz on a machine without xz', () => {
  const plain = randomBytes(900_000);
  const large = storedXz(plain);

  it('reads large files all the same, and looks for the program once', async () => {
    for (let round = 0; round < 2; round += 1) {
      const parts: Buffer[] = [];
      for await (const part of decodeXz(chunked(large, 65_536))) parts.push(part);
      expect(Buffer.concat(parts).equals(plain)).toBe(true);
      expect(isXzProgramMissing()).toBe(true);
    }
  });

  it('refuses damaged ones', async () => {
    const read = async () => {
      for await (const _ of decodeXz(chunked(large.subarray(0, 500_000), 65_536)));
    };
    await expect(read()).rejects.toThrow(FormatProblem);
  });
});
