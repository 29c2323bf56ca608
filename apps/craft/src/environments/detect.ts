import { execFile } from 'node:child_process';

/**
 * Why bubblewrap cannot be used on this machine, or undefined when it works: a sandbox as builds get it is started once,
 * because the program being there does not mean that the kernel lets it make namespaces.
 */
export function bubblewrapProblem(): Promise<string | undefined> {
  if (process.platform !== 'linux') return Promise.resolve(`bubblewrap needs Linux, this is ${process.platform}`);
  const args = [
    '--unshare-all',
    '--die-with-parent',
    '--cap-drop',
    'ALL',
    '--ro-bind',
    '/',
    '/',
    '--dev',
    '/dev',
    '--proc',
    '/proc',
    '--tmpfs',
    '/tmp',
    'true',
  ];
  return new Promise((resolve) => {
    execFile('bwrap', args, { timeout: 10_000 }, (error, _stdout, stderr) => {
      if (!error) resolve(undefined);
      else if (error.code === 'ENOENT') resolve('bwrap is not installed (package bubblewrap)');
      else resolve(`bwrap does not work here: ${stderr.trim().split('\n').at(-1) || error.message}`);
    });
  });
}
