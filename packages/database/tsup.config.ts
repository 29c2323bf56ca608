import { waybill } from '@waybill/tsup-preset';
import { defineConfig } from 'tsup';

export default defineConfig(waybill());
