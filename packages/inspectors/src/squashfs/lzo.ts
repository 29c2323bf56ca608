import { ArchiveError } from '../archive/expand.js';

/**
 * Decompresses one LZO1X stream of version 0.
 * @throws ArchiveError for damaged bytes and for more than `maxBytes`
 * @see Linux Documentation/staging/lzo.rst, "LZO stream format as understood by Linux's LZO decompressor"
 */
export function decompressLzo(input: Uint8Array, maxBytes: number): Buffer {
  const output = Buffer.allocUnsafe(maxBytes);
  let at = 0;
  let size = 0;
  /** Literals behind the last instruction: 0 to 3, or 4 for a longer run. */
  let state = 0;

  const next = (): number => {
    const byte = input[at++];
    if (byte === undefined) throw new ArchiveError('damaged lzo data: it ends too early');
    return byte;
  };
  /** A length that goes on in zero bytes. */
  const extended = (short: number, base: number): number => {
    if (short > 0) return short;
    let length = base;
    for (let byte = next(); ; byte = next()) {
      if (byte > 0) return length + byte;
      length += 255;
      if (length > maxBytes) throw new ArchiveError('damaged lzo data: an endless length');
    }
  };
  const literals = (count: number): void => {
    if (at + count > input.length) throw new ArchiveError('damaged lzo data: it ends too early');
    room(count);
    output.set(input.subarray(at, at + count), size);
    at += count;
    size += count;
  };
  const room = (count: number): void => {
    if (size + count > maxBytes) throw new ArchiveError(`lzo data of more than ${maxBytes} bytes`);
  };
  const copy = (distance: number, length: number): void => {
    if (distance > size) throw new ArchiveError('damaged lzo data: it points to before its beginning');
    room(length);
    // Byte by byte: what is copied may overlap what is written.
    for (const end = size + length; size < end; size += 1) output[size] = output[size - distance] as number;
  };
  const follow = (count: number): void => {
    state = count;
    literals(count);
  };

  if ((input[0] ?? 0) > 17) {
    const count = next() - 17;
    literals(count);
    state = Math.min(count, 4);
  }
  for (;;) {
    const code = next();
    if (code >= 64) {
      const length = code >= 128 ? 5 + ((code >> 5) & 3) : 3 + ((code >> 5) & 1);
      copy((next() << 3) + ((code >> 2) & 7) + 1, length);
      follow(code & 3);
    } else if (code >= 16) {
      const isNear = code >= 32;
      const length = 2 + extended(code & (isNear ? 31 : 7), isNear ? 31 : 7);
      const low = next();
      const pair = low | (next() << 8);
      const distance = isNear ? (pair >> 2) + 1 : 16_384 + ((code & 8) << 11) + (pair >> 2);
      if (!isNear && distance === 16_384) {
        if (at !== input.length) throw new ArchiveError('damaged lzo data: bytes behind its end');
        return output.subarray(0, size);
      }
      copy(distance, length);
      follow(pair & 3);
    } else if (state === 0) {
      literals(3 + extended(code, 15));
      state = 4;
    } else {
      const far = next() << 2;
      if (state === 4) copy(far + (code >> 2) + 2049, 3);
      else copy(far + (code >> 2) + 1, 2);
      follow(code & 3);
    }
  }
}
