import { type Command, Option } from 'commander';
import { createSessionEnv } from '../session-env/create-session-env.js';
import { type EnvFormat, envFormats, renderEnv } from '../session-env/render-env.js';
import { sessionCredentials } from '../session-env/session-credentials.js';
import type { CommandOutput } from './config-commands.js';

interface EnvFlags {
  readonly dir: string;
  readonly pathInside?: string;
  readonly format: EnvFormat;
  readonly tokenFile?: string;
  readonly proxy?: string;
  readonly ca?: string;
}

const help = `
Examples:
  eval "$(fetchctl create-session | fetchctl env - --dir clients)"
  FETCH_SESSION_TOKEN=… fetchctl env ID --dir clients --format json
  fetchctl env ID --token-file token --proxy http://build:9988 --ca ca.pem --dir /srv/s --path-inside /session --format dotenv
`;

/** `fetchctl env`: works on files, with a daemon on this machine or elsewhere. */
export function addEnvCommand(
  program: Command,
  output: CommandOutput,
  environment: Readonly<Record<string, string | undefined>>,
): void {
  program
    .command('env')
    .description('write what clients need to use and trust a session that is open, and print the variables to set')
    .argument('<session>', 'id of the session; - reads id and token from standard input')
    .requiredOption('--dir <dir>', "directory for the clients' files and caches; made when it is not there")
    .option('--path-inside <path>', 'the same directory as the build sees it, in a container for example')
    .addOption(new Option('--format <format>', 'form of the variables').choices([...envFormats]).default('shell'))
    .option('--token-file <file>', 'file with the token (default: FETCH_SESSION_TOKEN), - for standard input')
    .option('--proxy <url>', 'http://HOST:PORT of the proxy (default: the service of this user)')
    .option('--ca <file>', "the service's CA certificate, PEM (default: as above)")
    .addHelpText('after', help)
    .action(async (session: string, flags: EnvFlags) => {
      const token = environment.FETCH_SESSION_TOKEN || undefined;
      const credentials = await sessionCredentials({ session, tokenFile: flags.tokenFile, token });
      const { FETCH_SESSION_TOKEN: _, ...rest } = environment;
      const options = { credentials, dir: flags.dir, pathInside: flags.pathInside, proxy: flags.proxy, ca: flags.ca };
      output.out(renderEnv(await createSessionEnv({ ...options, environment: rest }), flags.format));
    });
}
