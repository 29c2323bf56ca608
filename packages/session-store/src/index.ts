export { copySessionDatabase } from './copy-session-database.js';
export { SessionStoreError, type SessionStoreErrorCode } from './errors.js';
export { openSessionStore, type SessionStoreOptions } from './open-session-store.js';
