import { availableParallelism } from 'node:os';
import { createSlots } from '../../slots.js';
import { FormatProblem } from '../format-problem.js';
import { decodeWithXzProgram, isXzProgramMissing, XzProgramMissing } from './xz-program.js';
import { decodeInThread } from './xz-threads.js';

/**
 * Compressed bytes from which on a program of its own is worth its start: control files of packages are smaller, indexes
 * larger.
 */
const programBytes = 4 * 1024;
/** Stream header and what matters of the first block's: size and flags. */
const headBytes = 14;
/** None, CRC32, CRC64. */
const readChecks: ReadonlySet<number> = new Set([0, 1, 4]);

/** Decoders that run at the same time in this process; more wait for their turn. */
const slots = createSlots(Math.max(2, Math.min(4, availableParallelism())));
const never = new AbortController().signal;

/**
 * Decodes xz (one or more streams of any number of blocks, CRC32 or CRC64, dictionary up to 64 MiB): large ones with the
 * machine's `xz`, small ones, and all where there is none, in a worker thread. Ends with the last stream; breaking off the
 * loop or aborting ends the decoder.
 *
 * @throws FormatProblem for bytes that are no xz or end too early
 */
export async function* decodeXz(source: AsyncIterable<Uint8Array>, signal?: AbortSignal): AsyncGenerator<Buffer> {
  const input = source[Symbol.asyncIterator]();
  const head: Uint8Array[] = [];
  let size = 0;
  let isWhole = false;
  let giveBack = () => {};
  try {
    while (size < programBytes && !isWhole) {
      signal?.throwIfAborted();
      const { value, done } = await input.next();
      if (done) isWhole = true;
      else {
        head.push(value);
        size += value.length;
      }
    }
    checkHead(Buffer.concat(head.slice(0, headBytes)));
    giveBack = await slots.take(signal ?? never);
    if (isWhole || isXzProgramMissing()) return yield* decodeInThread(rejoined(head, input), signal);
    try {
      yield* decodeWithXzProgram(rejoined(head, input), signal);
    } catch (error) {
      if (!(error instanceof XzProgramMissing)) throw error;
      yield* decodeInThread(rejoined(head, input), signal);
    }
  } finally {
    giveBack();
    await input.return?.();
  }
}

/**
 * Both decoders read the same files, so that no verdict depends on which it was.
 * @see "The .xz File Format" §2.1.1, §3.1
 */
function checkHead(head: Buffer): void {
  // What is no xz at all, or too short, the decoder names.
  if (head.length < headBytes || head.toString('latin1', 0, 6) !== '\xfd7zXZ\0') return;
  const [check = 0, blockFlags = 0] = [head[7], head[13]];
  // A first byte of zero is the index of a stream without blocks.
  const filters = head[12] === 0 ? 1 : (blockFlags & 0b11) + 1;
  if (readChecks.has(check) && filters === 1) return;
  throw new FormatProblem('unsupported xz options (only CRC32 and CRC64 checks and the LZMA2 filter are read)');
}

async function* rejoined(head: readonly Uint8Array[], rest: AsyncIterator<Uint8Array>): AsyncGenerator<Uint8Array> {
  yield* head;
  for (;;) {
    const { value, done } = await rest.next();
    if (done) return;
    yield value;
  }
}
