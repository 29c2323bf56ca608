import { execFile } from 'node:child_process';
import { findBubblewrap, isolationArguments } from './sandbox-arguments.js';

/**
 * Why bubblewrap cannot be used on this machine, or undefined when it works: a sandbox as builds get it is started once,
 * because the program being there does not mean that the kernel lets it make namespaces.
 */
export function bubblewrapProblem(path = process.env.PATH): Promise<string | undefined> {
  if (process.platform !== 'linux') return Promise.resolve(`bubblewrap needs Linux, this is ${process.platform}`);
  const bwrap = findBubblewrap(path);
  if (bwrap === undefined) return Promise.resolve('bwrap is not installed (package bubblewrap)');
  const args = [...isolationArguments(), '--tmpfs', '/tmp', '/bin/sh', '-c', ':'];
  return new Promise((resolve) => {
    execFile(bwrap, args, { timeout: 10_000, env: {} }, (error, _stdout, stderr) => {
      if (!error) resolve(undefined);
      else resolve(`bwrap does not work here: ${stderr.trim().split('\n').at(-1) || error.message}`);
    });
  });
}
