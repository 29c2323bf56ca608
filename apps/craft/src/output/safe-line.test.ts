import { expect, it } from 'vitest';
import { safeLine } from './safe-line.js';

it.each([
  ['npm.tarball: no\nPacked everything.tar (all approved)', 'npm.tarball: no Packed everything.tar (all approved)'],
  ['a\r\n\u001b[32m✓ verified\u001b[0m', 'a\ufffd \ufffd[32m✓ verified\ufffd[0m'],
  ['evil\u2028line', 'evil\ufffdline'],
  ['exe.\u202egnp', 'exe.\ufffdgnp'],
  ['  two blanks  stay', '  two blanks  stay'],
])('%j stays one harmless line', (text, wanted) => expect(safeLine(text)).toBe(wanted));
