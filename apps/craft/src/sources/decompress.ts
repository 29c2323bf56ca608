import { spawn } from 'node:child_process';
import { open } from 'node:fs/promises';
import { PassThrough, type Readable } from 'node:stream';
import { CraftError } from '../errors.js';

const magics: readonly (readonly [string, readonly string[]])[] = [
  ['fd377a585a00', ['xz', '--decompress', '--stdout', '--quiet', '--memlimit-decompress=1GiB']],
  ['5d00008000', ['xz', '--format=lzma', '--decompress', '--stdout', '--quiet', '--memlimit-decompress=1GiB']],
  ['425a68', ['bzip2', '--decompress', '--stdout', '--quiet']],
];

/** The program that undoes a compression which Node has no reader for; `undefined` when the tar reader does it itself. */
export function decompressorOf(head: Uint8Array): readonly string[] | undefined {
  const hex = Buffer.from(head).toString('hex');
  return magics.find(([magic]) => hex.startsWith(magic))?.[1];
}

/** First bytes of a file. */
export async function readHead(path: string, length = 16): Promise<Buffer> {
  const file = await open(path, 'r');
  try {
    const { buffer, bytesRead } = await file.read(Buffer.alloc(length), 0, length, 0);
    return buffer.subarray(0, bytesRead);
  } finally {
    await file.close();
  }
}

/**
 * Sends a stream through a decompressing program. The result ends well only after the program did: what it finds wrong at
 * the very end still fails.
 * @throws CraftError CRAFT_PROGRAM_MISSING, CRAFT_SOURCE_BROKEN (both as errors of the stream)
 */
export function throughProgram(input: Readable, [program = '', ...args]: readonly string[]): Readable {
  const child = spawn(program, args, {
    stdio: ['pipe', 'pipe', 'pipe'],
    env: { PATH: process.env.PATH ?? '', LC_ALL: 'C' },
  });
  const output = new PassThrough();
  let complaint = '';
  child.stderr.on('data', (chunk: Buffer) => {
    if (complaint.length < 2_000) complaint += chunk.toString('utf8');
  });
  child.on('error', (cause: NodeJS.ErrnoException) =>
    output.destroy(cause.code === 'ENOENT' ? missing(program, cause) : cause),
  );
  child.on('close', (code) => {
    if (code === 0) output.end();
    else output.destroy(unreadable(program, complaint.trim() || `exit code ${code}`));
  });
  input.on('error', (error) => output.destroy(error));
  // The program may stop reading early; that shows as its exit code.
  child.stdin.on('error', () => {});
  input.pipe(child.stdin);
  child.stdout.pipe(output, { end: false });
  output.on('close', () => {
    input.destroy();
    child.kill();
  });
  return output;
}

function missing(program: string, cause: unknown): CraftError {
  return new CraftError('CRAFT_PROGRAM_MISSING', `${program} is needed to unpack this source and is not installed`, {
    hint: `install ${program}`,
    cause,
  });
}

function unreadable(program: string, complaint: string): CraftError {
  return new CraftError('CRAFT_SOURCE_BROKEN', `${program} could not read the source: ${complaint}`);
}
