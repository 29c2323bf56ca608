import { fileURLToPath } from 'node:url';

/** `./x.js` means `./x.ts` in our sources, which Node's own type stripping does not know. */
const hooks = `
import { existsSync } from 'node:fs';
import { registerHooks } from 'node:module';
registerHooks({
  resolve(specifier, context, next) {
    if (/^[.]{1,2}[/].*[.]js$/.test(specifier) && context.parentURL?.endsWith('.ts')) {
      const source = new URL(specifier.replace(/js$/, 'ts'), context.parentURL);
      if (existsSync(source)) return next(source.href, context);
    }
    return next(specifier, context);
  },
});`;

/**
 * Arguments for `process.execPath` to run a TypeScript file of this repository, siblings resolved to their sources: for
 * tests that have to kill a process.
 */
export function sourceArguments(program: URL): string[] {
  const preload = `data:text/javascript,${encodeURIComponent(hooks)}`;
  return ['--conditions=waybill-source', '--import', preload, fileURLToPath(program)];
}
