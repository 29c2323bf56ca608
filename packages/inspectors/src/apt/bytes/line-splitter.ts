import { FormatProblem } from '../format-problem.js';

const newline = 0x0a;
const carriageReturn = 0x0d;

/** Takes the bytes `start` to `end` of `buffer`, one line without its end. The bytes are valid during the call only. */
export type TakeLine = (buffer: Buffer, start: number, end: number) => void;

/**
 * Cuts chunks into lines without copying them, and without one call per byte: indexes of apt have a million lines.
 * @throws FormatProblem for a line longer than `longest`
 */
export function createLineSplitter(takeLine: TakeLine, longest = 1 << 20) {
  let kept: Buffer[] = [];
  let keptBytes = 0;

  function emit(buffer: Buffer, start: number, end: number): void {
    takeLine(buffer, start, end > start && buffer[end - 1] === carriageReturn ? end - 1 : end);
  }

  return {
    push(chunk: Buffer): void {
      let start = 0;
      for (let end = chunk.indexOf(newline); end !== -1; end = chunk.indexOf(newline, start)) {
        if (keptBytes + end - start > longest) throw tooLong(longest);
        if (keptBytes > 0) {
          const line = Buffer.concat([...kept, chunk.subarray(start, end)]);
          kept = [];
          keptBytes = 0;
          emit(line, 0, line.length);
        } else emit(chunk, start, end);
        start = end + 1;
      }
      if (start === chunk.length) return;
      keptBytes += chunk.length - start;
      if (keptBytes > longest) throw tooLong(longest);
      kept.push(chunk.subarray(start));
    },
    end(): void {
      if (keptBytes === 0) return;
      const line = Buffer.concat(kept);
      kept = [];
      keptBytes = 0;
      emit(line, 0, line.length);
    },
  };
}

function tooLong(longest: number): FormatProblem {
  return new FormatProblem(`has a line of more than ${longest} bytes`);
}
