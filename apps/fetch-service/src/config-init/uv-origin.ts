import { join } from 'node:path';
import type { RunProgram } from './run-program.js';
import { throwAwayRun } from './throw-away-run.js';

/**
 * The index that uv uses, which it tells nobody: a throw-away run shows the host, or the address that its settings name. Indexes
 * of the usual form have their pages below `simple/`.
 */
export async function findUvIndex(run: RunProgram): Promise<string | undefined> {
  if (!('output' in (await run('uv', ['--version'])))) return undefined;
  const [origin] = await throwAwayRun(run, {
    files: { 'requirements.in': 'waybill-throw-away\n' },
    command: (dir, proxyUrl) => [
      'env',
      ...['HTTPS_PROXY', 'HTTP_PROXY', 'ALL_PROXY'].flatMap((name) => [
        `${name}=${proxyUrl}`,
        `${name.toLowerCase()}=${proxyUrl}`,
      ]),
      ...['NO_PROXY=', 'no_proxy=', 'UV_HTTP_RETRIES=0'],
      ...['uv', 'pip', 'compile', '--no-cache', '--directory', dir, join(dir, 'requirements.in')],
    ],
  });
  return origin === undefined ? undefined : `${origin}/simple/`;
}
