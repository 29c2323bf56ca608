/**
 * The one way a Waybill package is bundled: ESM for Node 22, source maps, every dependency (siblings included) left
 * external. Types come from `tsc -p tsconfig.build.json`, the second half of each `build` script: TypeScript 7 has no
 * JavaScript API for tsup's own `dts`.
 *
 * @param {{ entry?: string[] | Record<string, string>, clean?: boolean, copy?: string, bundle?: RegExp[] }} [options] `bundle`: dependencies that
 *   are built in because loading their many files costs more than they are worth
 */
export function waybill(options = {}) {
  return {
    entry: options.entry ?? ['src/index.ts'],
    format: ['esm'],
    target: 'node22',
    platform: 'node',
    sourcemap: true,
    clean: true,
    splitting: true,
    dts: false,
    silent: true,
    skipNodeModulesBundle: true,
    // tsup would drop the `node:` prefix, and with it modules that exist only under it (node:sqlite, node:test).
    removeNodeProtocol: false,
    ...(options.bundle ? { noExternal: options.bundle } : {}),
    ...(options.copy ? { publicDir: options.copy } : {}),
  };
}
