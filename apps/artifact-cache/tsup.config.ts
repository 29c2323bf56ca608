import { waybill } from '@waybill/tsup-preset';
import { defineConfig } from 'tsup';

export default defineConfig(waybill({ entry: { main: 'src/main.ts' } }));
