import { execFile } from 'node:child_process';
import { systemCode } from '../errors.js';

/** What a program answered; `missing` when it is not installed. */
export type ProgramResult = { readonly output: string } | { readonly missing: true } | { readonly failure: string };

/** Runs programs of this machine; replaced in tests. */
export type RunProgram = (program: string, args: readonly string[]) => Promise<ProgramResult>;

const timeoutMs = 30_000;
const maxOutputBytes = 16 << 20;

/** Runs a client to ask for its own configuration. */
export const runProgram: RunProgram = (program, args) => {
  const { promise, resolve } = Promise.withResolvers<ProgramResult>();
  execFile(
    program,
    [...args],
    { timeout: timeoutMs, maxBuffer: maxOutputBytes, encoding: 'utf8' },
    (error, output, stderr) => {
      if (!error) resolve({ output });
      else if (systemCode(error) === 'ENOENT') resolve({ missing: true });
      else resolve({ failure: stderr.trim().split('\n', 1)[0] || error.message });
    },
  );
  return promise;
};
