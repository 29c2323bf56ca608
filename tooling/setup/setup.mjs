import { die, say } from './fail.mjs';
import { prepare } from './prepare.mjs';

// --no-build: toolchain and dependencies only, for tooling/env.sh.
const build = !process.argv.includes('--no-build');
try {
  const started = Date.now();
  await prepare({ build });
  say(`ready (${((Date.now() - started) / 1000).toFixed(1)} s)`);
} catch (error) {
  die(error);
}
