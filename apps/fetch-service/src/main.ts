#!/usr/bin/env node
import cluster from 'node:cluster';
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
    if (cluster.isWorker) return (await import('./cluster/run-worker.js')).runWorker(options, { environment });
    if (options.processes > 1)
      return (await import('./cluster/run-primary.js')).runPrimary(options, { environment, out });
    return (await import('./daemon/run-daemon.js')).runDaemon(options, { environment, out });
  },
});
clearInterval(alive);
// A transfer that does not end in time must not keep the process; what counts is durable by now.
process.exit(exitCode);
