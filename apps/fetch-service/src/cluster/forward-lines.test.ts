import { PassThrough } from 'node:stream';
import { expect, it } from 'vitest';
import { forwardLines } from './forward-lines.js';

it('passes on whole lines, characters of several bytes too, and what is left at the end', async () => {
  const from = new PassThrough();
  const lines: string[] = [];
  forwardLines(from, (line) => lines.push(line));
  const bytes = Buffer.from('one\ntwö\nthr');
  for (const byte of bytes) from.write(Buffer.of(byte));
  from.end();
  await new Promise((resolve) => from.once('close', resolve));
  expect(lines).toEqual(['one\n', 'twö\n', 'thr\n']);
});
