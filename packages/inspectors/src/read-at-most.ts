import type { Readable } from 'node:stream';

/**
 * All bytes of a stream that may hold so many.
 * @param tooLong makes the error of a longer one, out of what is to follow the name of the bytes
 */
export async function readAtMost(
  stream: Readable,
  maxBytes: number,
  tooLong: new (text: string) => Error,
): Promise<Buffer> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of stream as AsyncIterable<Buffer>) {
    size += chunk.length;
    if (size > maxBytes) throw new tooLong(`has more than ${maxBytes} bytes`);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}
