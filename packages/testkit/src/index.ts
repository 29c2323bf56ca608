export * from './archives.js';
