import { spawn } from 'node:child_process';
import type { FileHandle } from 'node:fs/promises';
import type { Readable } from 'node:stream';
import { InspectorError } from '../errors.js';

export interface GitRun {
  /** Scratch directory: home, temporary files and working directory of the program. */
  readonly home: string;
  readonly signal: AbortSignal;
  /** Open for reading; or text. */
  readonly stdin?: FileHandle | string | undefined;
  /** Largest file it may write. */
  readonly maxFileBytes: number;
}

export interface GitOutcome {
  /** Exit status; -1 when a signal ended it. */
  readonly status: number;
  readonly stdout: string;
  readonly stderr: string;
}

const maxOutputBytes = 16 * 2 ** 20;
/** Address space in KiB: a delta may claim to expand to anything. */
const addressSpace = 4 * 2 ** 20;

/** Settings that keep memory bounded and leave nothing of the machine's or the repository's to run. */
const settings = [
  'core.hooksPath=/dev/null',
  'core.fsmonitor=false',
  'core.bigFileThreshold=16m',
  'core.packedGitWindowSize=32m',
  'core.packedGitLimit=512m',
  'core.deltaBaseCacheLimit=96m',
  'core.commitGraph=false',
  'core.multiPackIndex=false',
  'gc.auto=0',
  'maintenance.auto=false',
  'pack.threads=2',
  'protocol.allow=never',
];

/**
 * Runs git on data that nobody trusts: no configuration, hooks, prompts or transports, bounded memory, file size and output, killed
 * when the signal fires. A limit that the machine's shell does not know is left out.
 * @throws InspectorError INSPECTOR_PROGRAM_FAILED when git cannot be started; the signal's reason
 */
export async function runGit(args: readonly string[], run: GitRun): Promise<GitOutcome> {
  run.signal.throwIfAborted();
  const blocks = Math.ceil(run.maxFileBytes / 512);
  const limits = `ulimit -c 0 2>/dev/null; ulimit -f ${blocks} 2>/dev/null; ulimit -v ${addressSpace} 2>/dev/null; exec git "$@"`;
  const config = settings.flatMap((setting) => ['-c', setting]);
  const child = spawn('/bin/sh', ['-c', limits, 'git', ...config, ...args], {
    cwd: run.home,
    env: environment(run.home),
    stdio: [typeof run.stdin === 'object' ? run.stdin.fd : 'pipe', 'pipe', 'pipe'],
    signal: run.signal,
    killSignal: 'SIGKILL',
  });
  const [stdout, stderr] = [collect(child.stdout), collect(child.stderr)];
  child.stdin?.on('error', () => {});
  child.stdin?.end(typeof run.stdin === 'string' ? run.stdin : undefined);
  return new Promise((resolve, reject) => {
    let fault: unknown;
    child.on('error', (error) => {
      fault = error;
      // A process that never started does not close.
      if (child.pid === undefined) reject(notStarted(error));
    });
    child.on('close', (code) => {
      if (run.signal.aborted) reject(run.signal.reason);
      else if (fault) reject(notStarted(fault));
      else if (code === 127) reject(notStarted(new Error(stderr())));
      else resolve({ status: code ?? -1, stdout: stdout(), stderr: stderr() });
    });
  });
}

function environment(home: string): NodeJS.ProcessEnv {
  return {
    PATH: process.env.PATH ?? '/usr/local/bin:/usr/bin:/bin',
    LC_ALL: 'C',
    HOME: home,
    XDG_CONFIG_HOME: home,
    TMPDIR: home,
    GIT_CONFIG_NOSYSTEM: '1',
    GIT_CONFIG_SYSTEM: '/dev/null',
    GIT_CONFIG_GLOBAL: '/dev/null',
    GIT_ATTR_NOSYSTEM: '1',
    GIT_TERMINAL_PROMPT: '0',
    GIT_ASKPASS: '/bin/false',
    SSH_ASKPASS: '/bin/false',
    GIT_ALLOW_PROTOCOL: '',
    GIT_PROTOCOL_FROM_USER: '0',
    GIT_NO_LAZY_FETCH: '1',
    GIT_NO_REPLACE_OBJECTS: '1',
    GIT_OPTIONAL_LOCKS: '0',
    GIT_CEILING_DIRECTORIES: home,
  };
}

/** Keeps the end of an output that is longer than anybody reads. */
function collect(stream: Readable | null): () => string {
  const chunks: Buffer[] = [];
  let size = 0;
  stream?.on('data', (chunk: Buffer) => {
    chunks.push(chunk);
    size += chunk.length;
    while (size > maxOutputBytes) size -= chunks.shift()?.length ?? size;
  });
  return () => Buffer.concat(chunks).toString('utf8');
}

function notStarted(cause: unknown): InspectorError {
  return new InspectorError('INSPECTOR_PROGRAM_FAILED', `git cannot be run: ${(cause as Error).message}`, {
    cause,
    hint: 'install git where the fetch-service runs',
  });
}
