export { SessionStoreError, type SessionStoreErrorCode } from './errors.js';
export { openSessionStore, type SessionStoreOptions } from './open-session-store.js';
