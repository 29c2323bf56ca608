import { waybill } from '@waybill/tsup-preset';
import { defineConfig } from 'tsup';

// The workers are files of their own: they are started by their path.
export default defineConfig(
  waybill({
    entry: {
      index: 'src/index.ts',
      'hash-worker': 'src/file/hash-worker.ts',
      'export-worker': 'src/file/export-worker.ts',
      conformance: 'src/conformance.ts',
    },
  }),
);
