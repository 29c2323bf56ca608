import { waybill } from '@waybill/tsup-preset';
import { defineConfig } from 'tsup';

// The worker is a file of its own: it is started by its path.
export default defineConfig(
  waybill({
    entry: { main: 'src/main.ts', fetchctl: 'src/fetchctl.ts', 'file-worker': 'src/files/file-worker.ts' },
  }),
);
