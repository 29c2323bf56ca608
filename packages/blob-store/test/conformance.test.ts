import { describeBlobStore } from '../src/conformance.js';
import { fileHarness } from './file-harness.js';
import { slotsHarness } from './slots-harness.js';

describeBlobStore('file', () => fileHarness());
describeBlobStore('file with tiny limits', () => fileHarness({ smallBytes: 1024, segmentBytes: 16 * 1024 }));
describeBlobStore('files, three processes', slotsHarness);
