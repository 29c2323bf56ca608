import { invalid } from './digest.js';

/** A piece of zstd data that lies in one frame. */
export interface FramePiece {
  readonly data: Uint8Array;
  /** Nothing of the frame comes after it. */
  readonly endsFrame: boolean;
}

const magic = 0xfd2fb528;
const rle = 1;

/**
 * Finds where frames end: zstd data may be any number of them one after another (bazel-remote keeps large blobs so), of which Node
 * decompresses the first and forgets the others. Looks at headers only; whether the blocks are sound is the decompressor's to say.
 * @throws ConnectError InvalidArgument for what is no frame
 * @see RFC 8878 §3.1
 */
export function createFrameSplitter(): { split(chunk: Uint8Array): FramePiece[]; isBetweenFrames(): boolean } {
  let step: 'magic' | 'descriptor' | 'block' | 'skippable' = 'magic';
  let wanted = 4;
  let header: number[] = [];
  let passing = 0;
  let isLast = false;
  let checksumBytes = 0;

  const begin = (next: typeof step, bytes: number) => {
    step = next;
    wanted = bytes;
    header = [];
  };
  const readHeader = () => {
    const bytes = Buffer.from(header);
    if (step === 'magic') {
      const found = bytes.readUInt32LE();
      const isSkippable = found >= 0x184d2a50 && found <= 0x184d2a5f;
      if (found !== magic && !isSkippable) throw invalid('no zstd data: a frame begins with other bytes');
      begin(isSkippable ? 'skippable' : 'descriptor', isSkippable ? 4 : 1);
    } else if (step === 'skippable') {
      passing = bytes.readUInt32LE();
      isLast = true;
      begin('magic', 4);
    } else if (step === 'descriptor') {
      const descriptor = header[0] ?? 0;
      checksumBytes = descriptor & 0b100 ? 4 : 0;
      passing = restOfHeader(descriptor);
      begin('block', 3);
    } else {
      const block = bytes.readUIntLE(0, 3);
      isLast = (block & 1) === 1;
      passing = ((block >> 1) & 3) === rle ? 1 : block >> 3;
      if (isLast) passing += checksumBytes;
      begin(isLast ? 'magic' : 'block', isLast ? 4 : 3);
    }
  };
  return {
    split(chunk) {
      const pieces: FramePiece[] = [];
      let from = 0;
      for (let at = 0; at < chunk.length; ) {
        if (passing > 0) {
          const passed = Math.min(passing, chunk.length - at);
          passing -= passed;
          at += passed;
        } else {
          header.push(chunk[at] as number);
          at += 1;
          if (header.length === wanted) readHeader();
        }
        if (!isLast || passing > 0) continue;
        pieces.push({ data: chunk.subarray(from, at), endsFrame: true });
        from = at;
        isLast = false;
      }
      if (from < chunk.length) pieces.push({ data: chunk.subarray(from), endsFrame: false });
      return pieces;
    },
    isBetweenFrames: () => step === 'magic' && header.length === 0 && !isLast,
  };
}

/** Window, dictionary and content size behind the descriptor. */
function restOfHeader(descriptor: number): number {
  const isSingleSegment = (descriptor & 0b100000) !== 0;
  const dictionary = [0, 1, 2, 4][descriptor & 0b11] ?? 0;
  const contentSize = [isSingleSegment ? 1 : 0, 2, 4, 8][descriptor >> 6] ?? 0;
  return (isSingleSegment ? 0 : 1) + dictionary + contentSize;
}
