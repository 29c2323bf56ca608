export * from './archives.js';
export * from './npm-registry.js';
