import { type ChildProcessByStdio, spawn } from 'node:child_process';
import type { Readable, Writable } from 'node:stream';
import { FormatProblem } from '../format-problem.js';

/** Decoding a dictionary of 64 MiB takes little more than that; the next larger one does not fit. */
const memoryLimit = '66MiB';
const longestMessage = 2_000;

let isMissing = false;

/** Whether the machine has no `xz`; known once it was looked for in vain. */
export function isXzProgramMissing(): boolean {
  return isMissing;
}

/** The program cannot be started: nothing was read from the source yet. */
export class XzProgramMissing extends Error {}

type XzProcess = ChildProcessByStdio<Writable, Readable, Readable>;

/**
 * Decodes xz with the machine's own program: it is half again as fast as WebAssembly, uses another core, and its memory
 * goes when it ends. Breaking off the loop or aborting kills it.
 *
 * @throws XzProgramMissing
 * @throws FormatProblem for bytes that are no xz or end too early
 */
export async function* decodeWithXzProgram(
  source: AsyncIterable<Uint8Array>,
  signal?: AbortSignal,
): AsyncGenerator<Buffer> {
  signal?.throwIfAborted();
  const child = await start();
  const onAbort = () => child.kill('SIGKILL');
  signal?.addEventListener('abort', onAbort, { once: true });
  const stderr = collectText(child.stderr);
  const exited = new Promise<number | null>((resolve) => child.once('close', resolve));
  let fault: unknown;
  const fed = feed(source, child.stdin).catch((error: unknown) => {
    fault = error;
    child.kill('SIGKILL');
  });
  try {
    for await (const chunk of child.stdout) yield chunk as Buffer;
    const status = await exited;
    await fed;
    signal?.throwIfAborted();
    if (fault !== undefined) throw fault;
    if (status !== 0) throw new FormatProblem(explain(stderr()));
  } finally {
    signal?.removeEventListener('abort', onAbort);
    child.kill('SIGKILL');
    child.stdin.destroy();
    child.stdout.destroy();
    await fed;
  }
}

function start(): Promise<XzProcess> {
  return new Promise((resolve, reject) => {
    const args = ['--decompress', '--stdout', '--format=xz', '--quiet', `--memlimit-decompress=${memoryLimit}`];
    const child = spawn('xz', args, {
      // Options of the machine (XZ_OPT, XZ_DEFAULTS) are not for us.
      env: { PATH: process.env.PATH ?? '/usr/local/bin:/usr/bin:/bin', LC_ALL: 'C' },
      stdio: ['pipe', 'pipe', 'pipe'],
    });
    child.stdin.on('error', () => {});
    child.once('spawn', () => resolve(child));
    child.on('error', (cause) => {
      isMissing ||= child.pid === undefined;
      reject(new XzProgramMissing('xz cannot be run', { cause }));
    });
  });
}

/** Hands over the source; ends early when the program wants no more. */
async function feed(source: AsyncIterable<Uint8Array>, stdin: Writable): Promise<void> {
  for await (const chunk of source) {
    if (stdin.destroyed || stdin.writableEnded) return;
    if (stdin.write(chunk)) continue;
    await drained(stdin);
  }
  stdin.end();
}

function drained(stdin: Writable): Promise<void> {
  return new Promise((resolve) => {
    const settle = () => {
      stdin.off('drain', settle);
      stdin.off('close', settle);
      resolve();
    };
    stdin.on('drain', settle);
    stdin.on('close', settle);
  });
}

function collectText(stream: Readable): () => string {
  let text = '';
  stream.on('data', (chunk: Buffer) => {
    text = (text + chunk.toString('latin1')).slice(0, longestMessage);
  });
  return () => text;
}

/** What the program says, in the words of the other decoder. */
function explain(text: string): string {
  if (/unexpected end/i.test(text)) return 'xz data ends too early';
  if (/memory/i.test(text)) return 'dictionary larger than 64 MiB';
  if (/format not recognized/i.test(text)) return 'not in the xz format';
  if (/unsupported/i.test(text))
    return 'unsupported xz options (only CRC32 and CRC64 checks and the LZMA2 filter are read)';
  return 'corrupt xz data';
}
