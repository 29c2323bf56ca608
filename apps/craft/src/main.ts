#!/usr/bin/env node
import { runCraft } from './cli/run.js';
import { CraftError } from './errors.js';

const [major = 0, minor = 0] = process.versions.node.split('.').map(Number);
if (major < 22 || (major === 22 && minor < 18)) {
  process.stderr.write(`craft: Node ${process.versions.node} is too old, 22.18 or newer is needed\n`);
  process.exit(1);
}

const interrupted = new AbortController();
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
  process.on(signal, () => {
    // The first one ends the build and closes the session; who cannot wait for that asks again.
    if (interrupted.signal.aborted) process.exit(130);
    interrupted.abort(new CraftError('CRAFT_INTERRUPTED', `interrupted by ${signal}`));
  });
}
// A reader that went away (`craft … | head`) is no failure of ours.
for (const stream of [process.stdout, process.stderr]) stream.on('error', () => {});

process.exitCode = await runCraft(process.argv.slice(2), {
  env: process.env,
  cwd: process.cwd(),
  out: (text) => process.stdout.write(text),
  err: (text) => process.stderr.write(text),
  isTerminal: process.stderr.isTTY === true,
  outIsTerminal: process.stdout.isTTY === true,
  columns: () => process.stderr.columns || process.stdout.columns || 80,
  signal: interrupted.signal,
});
