import { waybill } from '@waybill/tsup-preset';
import { defineConfig } from 'tsup';

// The worker is a file of its own: it is started by its path.
export default defineConfig(waybill({ entry: ['src/index.ts', 'src/sqlite-worker.ts'] }));
