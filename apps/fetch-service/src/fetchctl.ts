#!/usr/bin/env node
import { runFetchctl } from './cli/fetchctl-program.js';

process.exitCode = await runFetchctl(process.argv.slice(2), {
  out: (text) => void process.stdout.write(text),
  err: (text) => void process.stderr.write(text),
});
