import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { runProgram } from '../src/processes/run-program.ts';

const source = fileURLToPath(new URL('../load', import.meta.url));
const isCi = process.env.WAYBILL_CI === '1';
const hasGo = await runProgram('go', ['version']).then(
  () => true,
  () => false,
);

// Without Go there is nothing to compile; where everything has to run, its absence shows as a failure.
describe.skipIf(!hasGo && !isCi)('the load driver', () => {
  it('passes go vet', async () => {
    expect(await runProgram('go', ['vet', './...'], source)).toBe('');
  });

  it('is formatted', async () => {
    expect(await runProgram('gofmt', ['-l', '.'], source)).toBe('');
  });

  it('passes its own tests', async () => {
    expect(await runProgram('go', ['test', '-count=1', './...'], source)).toMatch(/^ok\s/m);
  });
});
