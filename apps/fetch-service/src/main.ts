#!/usr/bin/env node
import { runFetchService } from './cli/program.js';

const out = (text: string) => void process.stdout.write(text);
const err = (text: string) => void process.stderr.write(text);
const environment = process.env;
// Whoever started the daemon may close its end of the pipe; that must not end the sessions of others.
for (const stream of [process.stdout, process.stderr]) stream.on('error', () => {});
// A process with nothing but promises to wait for ends in their middle.
const alive = setInterval(() => {}, 60_000);

const exitCode = await runFetchService(process.argv.slice(2), {
  environment,
  out,
  err,
  // Loaded when it is needed: help and `config` answer at once.
  async serve(options) {
    const { runDaemon } = await import('./daemon/run-daemon.js');
    return runDaemon(options, { environment, out });
  },
});
clearInterval(alive);
// A transfer that does not end in time must not keep the process; what counts is durable by now.
process.exit(exitCode);
