import { describeCacheStore } from './conformance.js';
import { fileHarness, memoryHarness } from './harness.js';

describeCacheStore('SQLite and files', () => fileHarness());
describeCacheStore('memory', memoryHarness, true);
