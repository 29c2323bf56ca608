import { waybill } from '@waybill/tsup-preset';
import { defineConfig } from 'tsup';

// Beside the program itself, what runs inside build environments: each is one file without imports of ours.
export default defineConfig({
  ...waybill(),
  entry: {
    main: 'src/main.ts',
    'relay-inside': 'src/environments/relay-inside.ts',
    'helpers/download': 'src/helpers/download.ts',
  },
});
