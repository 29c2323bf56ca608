import { waybill } from '@waybill/tsup-preset';
import { defineConfig } from 'tsup';

// What runs beside the database is a file of its own: the thread loads it by its path.
// drizzle-orm is hundreds of files: loading them one by one takes a second and 150 MB of heap, built in 0.1 s and 20 MB.
export default defineConfig(waybill({ entry: ['src/index.ts', 'src/sqlite-operations.ts'], bundle: [/^drizzle-orm/] }));
