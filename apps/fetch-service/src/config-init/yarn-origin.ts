import { parseHttpUrl, withoutCredentials } from './origin-url.js';
import type { RunProgram } from './run-program.js';

/** The registry that yarn uses, which is not npm's unless somebody said so; its successors call the setting by another name. */
export async function findYarnRegistry(run: RunProgram): Promise<string | undefined> {
  const version = await run('yarn', ['--version']);
  if (!('output' in version)) return undefined;
  const name = version.output.startsWith('1.') ? 'registry' : 'npmRegistryServer';
  const answer = await run('yarn', ['config', 'get', name]);
  const url = 'output' in answer ? parseHttpUrl(answer.output.trim()) : undefined;
  return url && withoutCredentials(url);
}
