import { waybill } from '@waybill/tsup-preset';
import { defineConfig } from 'tsup';

// The xz decoder's worker thread is a program of its own: src/apt/bytes/xz.ts names its file.
export default defineConfig(waybill({ entry: ['src/index.ts', 'src/apt/bytes/xz-worker.ts'] }));
