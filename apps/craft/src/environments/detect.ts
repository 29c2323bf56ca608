import { spawn } from 'node:child_process';
import type { Writable } from 'node:stream';
import { text } from 'node:stream/consumers';
import { findBubblewrap, isolationArguments } from './sandbox-arguments.js';
import { encodeFilter, systemCallFilter } from './system-call-filter.js';

/**
 * Why bubblewrap cannot be used on this machine, or undefined when it works: a sandbox as builds get it is started once,
 * because the program being there does not mean that the kernel lets it make namespaces.
 */
export async function bubblewrapProblem(path = process.env.PATH): Promise<string | undefined> {
  if (process.platform !== 'linux') return `bubblewrap needs Linux, this is ${process.platform}`;
  const bwrap = findBubblewrap(path);
  if (bwrap === undefined) return 'bwrap is not installed (package bubblewrap)';
  const filter = systemCallFilter();
  if (!filter) return `there is no filter of system calls for ${process.arch}`;
  const found = await probe(bwrap, encodeFilter(filter));
  return found === undefined ? undefined : `bwrap does not work here: ${found}`;
}

function probe(bwrap: string, filter: Uint8Array): Promise<string | undefined> {
  const args = [...isolationArguments(), '--seccomp', '3', '--tmpfs', '/tmp', '/bin/sh', '-c', ':'];
  const child = spawn(bwrap, args, { timeout: 10_000, env: {}, stdio: ['ignore', 'ignore', 'pipe', 'pipe'] });
  const input = child.stdio[3] as Writable;
  input.on('error', () => undefined);
  input.end(filter);
  return new Promise((resolve) => {
    child.once('error', (error) => resolve(error.message));
    const said = text(child.stderr as NodeJS.ReadableStream & AsyncIterable<string>).catch(() => '');
    child.once('close', async (code, signal) => {
      if (code === 0) resolve(undefined);
      else resolve((await said).trim().split('\n').at(-1) || `it ended with ${code ?? signal}`);
    });
  });
}
