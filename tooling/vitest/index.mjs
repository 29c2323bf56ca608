import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { defineConfig } from 'vitest/config';

/**
 * Test files of each lane. Unit tests need nothing but Node; the other lanes may start servers and programs.
 */
const lanes = {
  unit: {
    include: ['{src,test,chaos}/**/*.test.{ts,mjs}'],
    exclude: ['**/*.{int,e2e,live,chaos}.test.*'],
    testTimeout: 10_000,
  },
  int: { include: ['{src,test}/**/*.int.test.ts'], exclude: [], testTimeout: 60_000 },
  e2e: { include: ['{src,test}/**/*.e2e.test.ts'], exclude: [], testTimeout: 180_000 },
  live: { include: ['{src,test}/**/*.live.test.ts'], exclude: [], testTimeout: 300_000 },
  // How long a run takes is chosen (WAYBILL_CHAOS_ROUNDS): the limit only ends what hangs.
  chaos: { include: ['chaos/**/*.chaos.test.ts'], exclude: [], testTimeout: 3_600_000 },
};

/**
 * Vitest configuration of one package. The lane comes from WAYBILL_TEST_LANE (`unit` when unset), so that every package
 * has one `vitest.config.ts` and the scripts choose. Siblings resolve to their sources: a stale build decides nothing.
 *
 * @param {{ setupFiles?: string[], fileParallelism?: boolean, pool?: 'threads' | 'forks' }} [options] `forks` for tests
 *   that need a process of their own (chdir, umask, signals); lanes other than unit have it already
 */
export function waybill(options = {}) {
  const name = process.env.WAYBILL_TEST_LANE ?? 'unit';
  const lane = lanes[name];
  if (!lane) {
    throw new Error(`WAYBILL_TEST_LANE is '${name}', wanted one of: ${Object.keys(lanes).join(', ')}`);
  }
  // Without `module`: that is for bundlers, and Node, which loads dependencies, may not be able to run the files behind it.
  const conditions = ['waybill-source', 'node', 'development|production'];
  return defineConfig({
    resolve: { conditions },
    ssr: { resolve: { conditions, externalConditions: conditions } },
    test: {
      include: lane.include,
      exclude: ['**/node_modules/**', '**/dist/**', ...lane.exclude],
      environment: 'node',
      pool: options.pool ?? (name === 'unit' ? 'threads' : 'forks'),
      maxWorkers: 2,
      fileParallelism: options.fileParallelism ?? (name === 'unit' || name === 'int' || name === 'chaos'),
      testTimeout: lane.testTimeout,
      hookTimeout: lane.testTimeout,
      // Only so that a package without tests in this lane passes; .ci/run checks that each lane as a whole ran some.
      passWithNoTests: true,
      // A shared machine may stall for seconds: once more where nobody watches, so that one stall does not hide all other results.
      retry: process.env.WAYBILL_CI ? 1 : 0,
      restoreMocks: true,
      unstubEnvs: true,
      unstubGlobals: true,
      setupFiles: [fileURLToPath(new URL('fuzz.mjs', import.meta.url)), ...(options.setupFiles ?? [])],
      ...reporters(name),
    },
  });
}

/** Beside the usual output a JSON file per run in WAYBILL_TEST_JSON_DIR: `.ci/run` sums these up. */
function reporters(lane) {
  const directory = process.env.WAYBILL_TEST_JSON_DIR;
  if (!directory) return { reporters: ['default'] };
  mkdirSync(directory, { recursive: true });
  const owner = (process.env.npm_package_name ?? 'package').replace(/^@[^/]*\//, '');
  return { reporters: ['default', 'json'], outputFile: { json: join(directory, `${lane}.${owner}.json`) } };
}
