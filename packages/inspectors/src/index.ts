export { aptKeyProblems } from './apt/index.js';
export * from './default.js';
export * from './errors.js';
export * from './inspector.js';
export { lockFileProblems } from './lock-files/lock-files.js';
export { npmKeyProblems } from './npm/signatures.js';
export * from './opinions.js';
export * from './registry.js';
export * from './run.js';
