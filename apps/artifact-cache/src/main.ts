#!/usr/bin/env node
import { text } from 'node:stream/consumers';
import { runArtifactCache } from './cli/program.js';

// Whoever reads our output may stop doing so; that must not end a server.
for (const stream of [process.stdout, process.stderr]) stream.on('error', () => {});
// A process with nothing but promises to wait for ends in their middle.
const alive = setInterval(() => {}, 60_000);

const exitCode = await runArtifactCache(process.argv.slice(2), {
  env: process.env,
  cwd: process.cwd(),
  input: () => text(process.stdin),
  out: (line) => void process.stdout.write(line),
  err: (line) => void process.stderr.write(line),
});
clearInterval(alive);
process.exitCode = exitCode;
// What was written must be out before the end; a transfer that does not end must not keep the process.
setTimeout(() => process.exit(exitCode), 2000).unref();
