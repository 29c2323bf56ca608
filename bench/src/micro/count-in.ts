/** Counts where a text occurs in bytes that come piece by piece, also across their seams. */
export interface Counter {
  take(piece: Uint8Array): void;
  found(): number;
}

/** @param text ASCII, at least two characters, none of which begins it anew */
export function countIn(text: string): Counter {
  const needle = Buffer.from(text, 'latin1');
  let rest: Buffer = Buffer.alloc(0);
  let found = 0;
  return {
    take(piece) {
      const bytes = Buffer.concat([rest, piece]);
      let from = 0;
      for (let at = bytes.indexOf(needle); at >= 0; at = bytes.indexOf(needle, from)) {
        found++;
        from = at + needle.length;
      }
      // What may begin the text; none of it has been counted.
      rest = bytes.subarray(Math.max(from, bytes.length - needle.length + 1));
    },
    found: () => found,
  };
}
