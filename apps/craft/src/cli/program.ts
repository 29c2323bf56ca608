import { Command, CommanderError, InvalidArgumentError, Option } from 'commander';
import type { CacheBuildOptions } from '../commands/cache-build.js';
import type { Step } from '../lifecycle/state.js';
import { type Verbosity, verbosities } from '../output/text-progress.js';
import type { Policy } from '../session/session.js';
import { version } from '../version.js';

/** Options that every command has. */
export interface CommonOptions {
  readonly projectDir: string;
  readonly verbosity: Verbosity;
  /** `markdown` only for `doctor`. */
  readonly format: Format;
}

export type Format = 'text' | 'json' | 'markdown';

/** Help fits a terminal of 80 columns, and reads well on wider ones. */
const helpWidth = 79;

/** What `craft cache` does. */
export type CacheAction = 'show' | 'explain' | 'list' | 'pull' | 'push' | 'rm';

/** What the command line asks for. */
export type Invocation = CommonOptions &
  (
    | {
        readonly command: 'pack';
        readonly policy: Policy | undefined;
        readonly output: string;
        readonly platform: string | undefined;
        readonly buildFor: string | undefined;
        readonly destructive: boolean;
        readonly cache: boolean | undefined;
      }
    | {
        readonly command: Step;
        readonly parts: readonly string[];
        readonly platform: string | undefined;
        readonly buildFor: string | undefined;
        readonly destructive: boolean;
      }
    | { readonly command: 'clean'; readonly parts: readonly string[]; readonly platform: string | undefined }
    | { readonly command: 'report'; readonly files: readonly string[] }
    | ({ readonly command: 'cache'; readonly action: CacheAction } & CacheBuildOptions)
    | {
        readonly command: 'doctor';
        readonly session: string | undefined;
        readonly ca: string | undefined;
        readonly clients: readonly string[];
      }
  );

/** What came of parsing: something to do, or an exit code (help, version, usage error). */
export type Parsed = { readonly invocation: Invocation } | { readonly exitCode: number };

/** Where help and usage errors go. */
export interface ProgramOutput {
  readonly out: (text: string) => void;
  readonly err: (text: string) => void;
}

type Raw = {
  projectDir: string;
  verbosity?: Verbosity;
  verbose?: boolean;
  quiet?: boolean;
  format: Format;
  session?: string;
  ca?: string;
  enableFetchService?: Policy | true;
  output: string;
  platform?: string;
  buildFor?: string;
  destructiveMode?: boolean;
  cache?: boolean;
};

/** Parses the command line; usage errors are told and become exit code 64. */
export async function parseCommandLine(
  argv: readonly string[],
  env: Readonly<NodeJS.ProcessEnv>,
  output: ProgramOutput,
): Promise<Parsed> {
  let invocation: Invocation | undefined;
  const program = new Command('craft')
    .description(
      'Packs a project and says what it was made of.\n\ncraft.yaml describes a project. Its parts go through the steps pull, build,\nstage and prime; pack makes an artifact of what was primed. In a session\neverything that the build downloads is verified and recorded.',
    )
    .version(`craft ${version}`, '-V, --version', 'show the version')
    .helpOption('-h, --help', 'show help')
    .showHelpAfterError('Run craft --help, or craft <command> --help.')
    .configureHelp({ sortSubcommands: false, helpWidth })
    .configureOutput({ writeOut: output.out, writeErr: output.err })
    .exitOverride()
    .addHelpText('after', afterHelp);

  const add = (
    command: Command,
    take: (options: Raw, args: readonly string[]) => Invocation,
    formats: readonly Format[] = ['text', 'json'],
  ) =>
    common(command, env, formats)
      .allowExcessArguments(false)
      .exitOverride()
      .configureOutput({ writeOut: output.out, writeErr: output.err })
      .action((...given: unknown[]) => {
        const [self, options, ...args] = given.reverse() as [Command, Raw, ...unknown[]];
        void self;
        invocation = take(options, (args[0] ?? []) as readonly string[]);
      });

  add(
    building(program.command('pack').description('run all steps and pack what was primed'))
      .addOption(
        sessionOption(
          'build in a session of the fetch service: strict (also without a value) refuses what cannot be verified, permissive records it',
        ),
      )
      .option('-o, --output <dir>', 'where artifact and report are written', '.')
      .option('--cache', 'use results of earlier builds (default: when caches are configured)')
      .option('--no-cache', 'build everything')
      .addHelpText('after', packHelp),
    (raw) => ({
      ...commonOf(raw, env),
      ...buildingOf(raw, env),
      command: 'pack',
      policy: raw.enableFetchService === true ? 'strict' : raw.enableFetchService,
      output: raw.output,
      cache: raw.cache,
    }),
  );
  for (const [step, text] of Object.entries(stepTexts) as [Step, string][]) {
    add(
      building(program.command(step).description(text).argument('[parts...]', 'parts to bring there (default: all)')),
      (raw, parts) => ({
        ...commonOf(raw, env),
        ...buildingOf(raw, env),
        command: step,
        parts,
      }),
    );
  }
  add(
    program
      .command('clean')
      .description('remove what builds left in the project')
      .argument('[parts...]', 'only these parts of ordinary builds')
      .option('--platform <name>', 'only this platform'),
    (raw, parts) => ({ ...commonOf(raw, env), command: 'clean', parts, platform: raw.platform }),
  );
  add(
    program
      .command('report')
      .description('show session reports in a readable form')
      .argument('<files...>', 'report files'),
    (raw, files) => ({
      ...commonOf(raw, env),
      command: 'report',
      files,
    }),
  );
  add(
    program
      .command('doctor')
      .description('try each installed client in a session')
      .argument('[clients...]', 'only these clients (default: all)')
      .option('--session <url>', 'a session that is open: http://<session id>:<token>@<host>:<port>')
      .option('--ca <file>', "that session's CA certificate (also: CRAFT_PROXY_CERT)")
      .addHelpText('after', doctorHelp),
    (raw, clients) => ({ ...commonOf(raw, env), command: 'doctor', session: raw.session, ca: raw.ca, clients }),
    ['text', 'json', 'markdown'],
  );

  const cache = program
    .command('cache')
    .description('look at results of earlier builds, and bring them here or elsewhere')
    .helpOption('-h, --help', 'show help')
    .helpCommand(false)
    .configureHelp({ sortSubcommands: false, helpWidth })
    .configureOutput({ writeOut: output.out, writeErr: output.err })
    .exitOverride();
  for (const [action, text] of Object.entries(cacheTexts) as [CacheAction, string][]) {
    const [argument, what] = action === 'explain' ? ['<part>', 'the part'] : ['[parts...]', 'parts (default: all)'];
    const command = cache.command(action).description(text).argument(argument, what);
    if (action === 'list' || action === 'rm') command.option('--platform <name>', 'only this platform');
    else
      building(command).addOption(
        sessionOption('keys of builds in a session: strict (also without a value) or permissive'),
      );
    add(command, (raw, parts) => ({
      ...commonOf(raw, env),
      ...buildingOf(raw, env),
      command: 'cache',
      action,
      parts: typeof parts === 'string' ? [parts] : parts,
      policy: raw.enableFetchService === true ? 'strict' : raw.enableFetchService,
    }));
  }

  try {
    await program.parseAsync([...argv], { from: 'user' });
  } catch (error) {
    if (error instanceof CommanderError) return { exitCode: error.exitCode === 0 ? 0 : 64 };
    throw error;
  }
  return invocation ? { invocation } : { exitCode: 64 };
}

function sessionOption(text: string): Option {
  return new Option('--enable-fetch-service [policy]', text).argParser(policy);
}

const cacheTexts: Readonly<Record<CacheAction, string>> = {
  show: 'keys of parts, and what the local cache has for them',
  explain: "in what a part's key differs from that of its last build",
  list: 'what the local cache has of this project',
  pull: 'bring results of builds into the local cache',
  push: 'bring what the local cache has to the caches that may be written to',
  rm: 'remove results of builds from the local cache',
};

const stepTexts: Readonly<Record<Step, string>> = {
  pull: 'bring the sources of the parts',
  build: 'build the parts',
  stage: 'put what the parts installed into one directory',
  prime: 'put what is to be packed into one directory',
};

function common(command: Command, env: Readonly<NodeJS.ProcessEnv>, formats: readonly Format[]): Command {
  return command
    .addOption(new Option('--project-dir <dir>', 'directory of craft.yaml').default('.', 'the current one'))
    .addOption(
      new Option(
        '--format <format>',
        `text, or one JSON document on standard output${formats.includes('markdown') ? ', or a Markdown table' : ''}`,
      )
        .choices(formats)
        .default('text'),
    )
    .addOption(new Option('--verbosity <level>', 'how much is told').choices([...verbosities]))
    .addOption(
      new Option('-v, --verbose', 'show the output of build commands (--verbosity verbose)').conflicts([
        'verbosity',
        'quiet',
      ]),
    )
    .addOption(
      new Option('-q, --quiet', 'warnings and errors only (--verbosity quiet)').conflicts(['verbosity', 'verbose']),
    )
    .helpOption('-h, --help', 'show help')
    .configureHelp({ helpWidth })
    .hook('preAction', () => {
      const level = env.CRAFT_VERBOSITY_LEVEL?.toLowerCase();
      if (level && !(verbosities as readonly string[]).includes(level)) {
        command.error(`error: CRAFT_VERBOSITY_LEVEL is '${level}', expected one of ${verbosities.join(', ')}`);
      }
    });
}

function building(command: Command): Command {
  return command
    .addOption(new Option('--platform <name>', 'only this platform (also: CRAFT_PLATFORM)').conflicts('buildFor'))
    .addOption(new Option('--build-for <architecture>', 'only platforms for this architecture (also: CRAFT_BUILD_FOR)'))
    .option('--destructive-mode', 'build on this machine instead of in a sandbox (also: CRAFT_BUILD_ENVIRONMENT=host)');
}

function commonOf(raw: Raw, env: Readonly<NodeJS.ProcessEnv>): CommonOptions {
  const fromEnv = env.CRAFT_VERBOSITY_LEVEL?.toLowerCase() as Verbosity | undefined;
  const verbosity = raw.verbosity ?? (raw.quiet ? 'quiet' : raw.verbose ? 'verbose' : fromEnv || 'brief');
  return { projectDir: raw.projectDir, verbosity, format: raw.format };
}

function buildingOf(raw: Raw, env: Readonly<NodeJS.ProcessEnv>) {
  const chosen = raw.platform !== undefined || raw.buildFor !== undefined;
  return {
    platform: raw.platform ?? (chosen ? undefined : env.CRAFT_PLATFORM || undefined),
    buildFor: raw.buildFor ?? (chosen ? undefined : env.CRAFT_BUILD_FOR || undefined),
    destructive: raw.destructiveMode === true || env.CRAFT_BUILD_ENVIRONMENT === 'host',
  };
}

function policy(value: string): Policy {
  if (value === 'strict' || value === 'permissive') return value;
  throw new InvalidArgumentError('expected strict or permissive.');
}

const packHelp = `
With --enable-fetch-service a fetch service is found or started and a session
opened; nothing of an earlier build is used, but what a cache has with its
record (docs/artifact-cache/craft.md). The report is written beside the
artifact as <artifact>.json, for a build without artifact as
<name>_<version>_<platform>.json.

Examples:
  craft pack
  craft pack --enable-fetch-service --output dist
  craft pack --enable-fetch-service=permissive --format json
`;

const doctorHelp = `
Each client fetches one thing as in a build. Without --session that happens in
a session of a fetch service of its own, before a server of its own: nothing
of this machine's service, registries or network is used. In a session of
somebody else a host is asked for that does not exist; its report shows that.

Exit code 1 when a client that is installed fails.

Examples:
  craft doctor
  craft doctor npm cargo --format json
  CRAFT_PROXY_CERT=ca.pem craft doctor --session http://ID:TOKEN@build:9988
`;

const afterHelp = `
Sessions opened by somebody else:
  CRAFT_USE_EXTERNAL_FETCH_SERVICE=1
                          build in the session that the next variables name;
                          no report is written
  CRAFT_PROXY_CERT        file with the CA certificate of the session
  http_proxy, https_proxy
                          http://<session id>:<token>@<host>:<port>/, both the
                          same

Environment:
  CRAFT_PLATFORM          as --platform
  CRAFT_BUILD_FOR         as --build-for
  CRAFT_BUILD_ENVIRONMENT=host
                          as --destructive-mode
  CRAFT_VERBOSITY_LEVEL   as --verbosity
  SOURCE_DATE_EPOCH       time of everything in the artifact, in seconds since
                          1970
  WAYBILL_FETCH_SERVICE   the fetch-service program to start
  WAYBILL_RUNTIME_DIR     where a running fetch service is found

Exit codes:
  0 done, 1 failed, 2 refused by policy, 64 wrong command line,
  70 bug of craft, 130 interrupted

Examples:
  craft pack --enable-fetch-service
                          build and pack in a strict session
  craft build lib         bring the part lib, and what it needs, to the step
                          build
  craft report hello_1.0_amd64.tar.gz.json
                          show what a session downloaded

More: docs/craft.md
`;
