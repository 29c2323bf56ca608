/** Test bytes that differ from block to block and seed to seed. */
export function pattern(size: number, seed: number): Buffer {
  const body = Buffer.alloc(size);
  let state = (seed + 1) * 2_654_435_761;
  for (let at = 0; at < size; at++) {
    if (at % 16 === 0) state = Math.imul(state ^ (state >>> 13), 1_597_334_677) + at;
    body[at] = (state >>> ((at % 4) * 8)) & 0xff;
  }
  return body;
}
