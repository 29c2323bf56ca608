export * from './apt-key.js';
export * from './apt-repository.js';
export * from './apt-sandbox.js';
export * from './apt-upstream.js';
export * from './archives.js';
export * from './npm-registry.js';
export * from './program.js';
