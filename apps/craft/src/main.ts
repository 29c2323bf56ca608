#!/usr/bin/env node
import { runCraft } from './cli/run.js';
import { CraftError } from './errors.js';

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
  columns: () => process.stderr.columns ?? 80,
  signal: interrupted.signal,
});
