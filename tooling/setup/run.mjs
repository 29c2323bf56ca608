import { join } from 'node:path';
import { die, say } from './fail.mjs';
import { binDir, root } from './paths.mjs';
import { prepare, turbo } from './prepare.mjs';
import { runCommand } from './run-command.mjs';
import { toolchainEnv } from './toolchain.mjs';

/** The root's scripts: set up, then do the job. Every job gets the arguments that follow its name. */
const jobs = {
  start: { build: true, run: (args) => node(['tooling/start.mjs', ...args]) },
  build: { build: true, run: () => 0 },
  test: { build: true, run: (args) => lane('test', args) },
  check: { build: false, run: check },
  'test:int': { build: true, run: (args) => lane('test:int', ['--concurrency=1', ...args]) },
  'test:e2e': { build: true, run: (args) => lane('test:e2e', args) },
  'test:chaos': { build: true, run: (args) => lane('test:chaos', args) },
  'test:live': { build: true, run: (args) => lane('test:live', args) },
  // Not through turbo: the benchmark takes options, and nothing shall sit between it and the terminal.
  bench: { build: true, run: (args) => node(['bench/src/main.ts', ...args]) },
  'bench:cache': { build: true, run: (args) => node(['bench/src/cache/main.ts', ...args]) },
  verify: { build: true, run: verify },
};

async function verify() {
  for (const name of ['check', 'test', 'test:int', 'test:e2e', 'test:chaos', 'test:live']) {
    say(`verify: ${name}`);
    const status = await jobs[name].run([]);
    if (status !== 0) return status;
  }
  return 0;
}

/** Types per package, then format, lint and package boundaries of the whole repository; all of them, also after a failure. */
async function check() {
  const cruise = ['--config', 'tooling/boundaries/rules.mjs', 'packages', 'apps', 'e2e', 'bench'];
  const results = [
    await lane('check', ['--continue']),
    await bin('biome', ['check', '.']),
    await bin('depcruise', cruise),
    await bin('turbo', ['boundaries']),
  ];
  return results.find((status) => status !== 0) ?? 0;
}

function lane(task, args) {
  return turbo([task, ...args], { stdio: 'inherit' });
}

function bin(name, args) {
  return runCommand(join(root, 'node_modules', '.bin', name), args, inherit());
}

function node(args) {
  return runCommand(join(binDir, 'node'), args, inherit());
}

function inherit() {
  return { cwd: root, env: toolchainEnv(), stdio: 'inherit' };
}

const [name, ...args] = process.argv.slice(2);
const job = Object.hasOwn(jobs, name ?? '') ? jobs[name] : undefined;
if (!job) {
  process.stderr.write(`waybill: unknown job '${name ?? ''}', wanted one of: ${Object.keys(jobs).join(', ')}\n`);
  process.exit(64);
}
try {
  await prepare({ build: job.build });
  process.exitCode = await job.run(args);
} catch (error) {
  die(error);
}
