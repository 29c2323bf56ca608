import { describeBlobStore } from '../src/conformance.js';
import { s3Harness } from './s3-harness.js';

describeBlobStore('s3', s3Harness);
