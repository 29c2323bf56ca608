import { readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { expect, it } from 'vitest';
import { parse } from 'yaml';
import { readConfig } from '../config/load-config.js';
import { runArtifactCache } from './program.js';

/** What deploy/ starts is what the command line takes. */
const deploy = fileURLToPath(new URL('../../../../deploy/', import.meta.url));
const read = (path: string) => readFile(`${deploy}${path}`, 'utf8');

/** Exit code and errors of the program; a configuration that does not exist is as far as these get. */
async function run(args: readonly string[]) {
  let err = '';
  const context = { env: {}, cwd: '/', input: async () => '', out: () => {} };
  const code = await runArtifactCache(args, {
    ...context,
    err: (text) => {
      err += text;
    },
  });
  return { code, err };
}

it('the unit calls commands with options that exist', async () => {
  const unit = await read('systemd/waybill-artifact-cache.service');
  const calls = [...unit.matchAll(/^ExecStart(?:Pre)?=\/usr\/lib\/waybill\/bin\/artifact-cache (.*)$/gm)];
  expect(calls.map(([, words]) => words?.split(' ')[0])).toEqual(['check', 'serve']);
  for (const [, words = ''] of calls) {
    const args = words.replace('/var/lib/artifact-cache/', '/nowhere/').split(' ');
    expect(await run(args)).toMatchObject({ code: 1, err: expect.stringContaining('SERVER_CONFIG_MISSING') });
  }
  expect((await run(['serve', '--nothing'])).code).toBe(64);
});

it('the service of compose calls a command that exists, with variables that are read', async () => {
  const { services } = parse(await read('compose/artifact-cache.yaml'));
  const { command, environment, entrypoint } = services['artifact-cache'];
  expect(entrypoint).toEqual(['artifact-cache']);
  const args = command.map((word: string) => word.replace('/var/lib/artifact-cache/', '/nowhere/'));
  expect((await run(args)).err).toContain('SERVER_CONFIG_MISSING');
  const storage = 'storage: { blobs: "file:blobs", database: "file:index.sqlite" }\n';
  const { listen } = readConfig(storage, '/etc/config.yaml', environment);
  expect(listen).toMatchObject([{ address: { host: '0.0.0.0', port: 8980 }, anonymous: 'none' }]);
});
