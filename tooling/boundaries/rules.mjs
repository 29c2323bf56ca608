/**
 * Which package may import what: DESIGN.md §2 as dependency-cruiser rules. Arrows point down.
 * Every package of ours is named here once; one that is not may import nothing of ours.
 */
const mayImport = {
  contracts: [],
  policy: ['contracts'],
  ca: ['contracts'],
  'blob-store': ['contracts'],
  'client-setup': ['contracts'],
  proxy: ['contracts', 'policy'],
  inspectors: ['contracts', 'policy'],
  database: ['contracts'],
  'session-store': ['contracts', 'policy', 'database'],
  'cache-store': ['contracts', 'database'],
  evidence: ['contracts', 'policy'],
  'cache-client': ['contracts'],
  testkit: ['contracts', 'ca'],
};

/** Libraries with strong opinions and the one place that may know them. */
const owners = {
  'http-mitm-proxy': ['packages/proxy/src/engine'],
  undici: ['packages/proxy'],
  '@peculiar/': ['packages/ca'],
  'reflect-metadata': ['packages/ca'],
  'drizzle-': ['packages/database', 'packages/session-store', 'packages/cache-store'],
  pg: ['packages/database', 'packages/session-store'],
  '@libsql/': ['packages/database', 'packages/session-store'],
  '@aws-sdk/': ['packages/blob-store'],
  '(@grpc|@connectrpc|@bufbuild)/': ['apps/artifact-cache'],
  '(fastify|@fastify/|fastify-)': ['apps'],
};

const tests = '([.]test[.]ts$|/conformance([.]ts$|/)|/test/|^e2e/|^bench/|vitest[.]config[.]ts$)';

const directions = Object.entries(mayImport).map(([name, allowed]) => ({
  name: `direction-${name}`,
  comment: `@waybill/${name} may import ${allowed.length ? allowed.map((other) => `@waybill/${other}`).join(', ') : 'nothing of ours'}.`,
  severity: 'error',
  from: { path: `^packages/${name}/src/`, pathNot: tests },
  to: { path: '^(packages|apps)/', pathNot: `^packages/(${[name, ...allowed].join('|')})/` },
}));

const ownership = Object.entries(owners).map(([library, places]) => ({
  name: `owner-of-${library
    .replace(/[^a-z-]+/g, ' ')
    .trim()
    .replace(/ .*/, '')}`,
  comment: `Only ${places.join(', ')} may import ${library}; others ask for what they need through @waybill/contracts.`,
  severity: 'error',
  from: { path: '^(packages|apps)/', pathNot: [...places.map((place) => `^${place}/`), '/test/', '[.]test[.]ts$'] },
  to: { path: `(^|/)node_modules/${library}${/[-/)]$/.test(library) ? '' : '/'}` },
}));

/** @type {import('dependency-cruiser').IConfiguration} */
export default {
  forbidden: [
    {
      name: 'unknown-package',
      comment: 'Name the package in mayImport (tooling/boundaries/rules.mjs) before it imports siblings.',
      severity: 'error',
      from: { path: '^packages/([^/]+)/src/', pathNot: `^packages/(${Object.keys(mayImport).join('|')})/` },
      to: { path: '^packages/', pathNot: '^packages/$1/' },
    },
    ...directions,
    ...ownership,
    {
      name: 'apps-apart',
      comment: 'Apps join packages and import no other app; what two apps share is a package.',
      severity: 'error',
      from: { path: '^apps/([^/]+)/' },
      to: { path: '^apps/', pathNot: '^apps/$1/' },
    },
    {
      name: 'no-app-below',
      comment: 'Nothing imports an app; e2e and bench start the built ones.',
      severity: 'error',
      from: { path: '^(packages|e2e|bench|tooling)/' },
      to: { path: '^apps/' },
    },
    {
      name: 'no-deep-import',
      comment: "A sibling's index.ts is its surface; export what is missing there.",
      severity: 'error',
      from: { path: '^((?:packages|apps)/[^/]+|e2e|bench)/' },
      to: { path: '^packages/[^/]+/', pathNot: ['^$1/', '^packages/[^/]+/src/index[.]ts$'] },
    },
    {
      name: 'siblings-by-name',
      comment: 'Import siblings by their package name, never by a relative path.',
      severity: 'error',
      from: { path: '^((?:packages|apps)/[^/]+)/' },
      to: { path: '^(packages|apps)/', pathNot: '^$1/', dependencyTypes: ['local'] },
    },
    {
      name: 'testkit-only-in-tests',
      comment: '@waybill/testkit starts servers and makes throw-away keys; shipped code must not reach it.',
      severity: 'error',
      from: { path: '^(packages|apps)/', pathNot: [tests, '^packages/testkit/'] },
      to: { path: '^packages/testkit/' },
    },
    {
      name: 'no-dev-dependency-in-src',
      comment: 'What shipped code imports belongs in dependencies.',
      severity: 'error',
      from: { path: '^(packages|apps)/[^/]+/src/', pathNot: tests },
      to: { dependencyTypes: ['npm-dev'], dependencyTypesNot: ['type-only'] },
    },
    {
      name: 'declared',
      comment: 'Every npm import is declared in the importing package (turbo boundaries checks our own packages).',
      severity: 'error',
      from: { path: '^(packages|apps|e2e|bench)/' },
      to: { dependencyTypes: ['npm-no-pkg', 'npm-unknown'] },
    },
    {
      name: 'resolvable',
      comment: 'An import that leads nowhere: wrong path, or the package is not installed.',
      severity: 'error',
      from: {},
      to: { couldNotResolve: true },
    },
    {
      name: 'no-circle',
      comment: 'Modules that import each other cannot be read, tested or moved apart.',
      severity: 'error',
      from: {},
      to: { circular: true },
    },
  ],
  options: {
    parser: 'tsc',
    tsPreCompilationDeps: 'specify',
    tsConfig: { fileName: 'tsconfig.base.json' },
    combinedDependencies: false,
    doNotFollow: { path: 'node_modules' },
    exclude: { path: ['^(packages|apps)/[^/]+/dist/', '(^|/)[.]turbo/'] },
    enhancedResolveOptions: {
      exportsFields: ['exports'],
      conditionNames: ['waybill-source', 'types', 'import', 'node', 'default'],
      extensions: ['.ts', '.mts', '.js', '.mjs', '.json', '.d.ts'],
    },
  },
};
