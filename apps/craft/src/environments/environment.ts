/** Which network a command may reach: the session's proxy, nothing, or whatever the host has (ordinary builds only). */
export type CommandNetwork = 'session' | 'none' | 'host';

/** A command to run in a build environment. */
export interface BuildCommand {
  /** Program and arguments; the program is looked up in `env.PATH`. */
  readonly argv: readonly [string, ...string[]];
  /** Working directory, a path of the host that is visible inside under the same name. */
  readonly cwd: string;
  /** The whole environment of the command: nothing of the host's is added but what the environment itself needs. */
  readonly env: Readonly<Record<string, string>>;
  /** Text for standard input; empty when absent. */
  readonly stdin?: string | undefined;
  readonly onStdout: (chunk: Buffer) => void;
  readonly onStderr: (chunk: Buffer) => void;
  /** Ends the command and everything it started. */
  readonly signal: AbortSignal;
  readonly network: CommandNetwork;
}

/** How a command ended: one of the two is set. */
export interface CommandResult {
  readonly exitCode: number | null;
  readonly signal: NodeJS.Signals | null;
}

/** Where the commands of a build run. */
export interface BuildEnvironment {
  readonly kind: 'bubblewrap' | 'host';
  /** URL of the proxy as seen inside, without credentials; the relay behind it adds the session's. */
  readonly proxyUrl: string;
  /** Runs a command to its end. Rejects only when it could not be started. */
  run(command: BuildCommand): Promise<CommandResult>;
  /** Ends what still runs and removes what the environment made. Idempotent. */
  close(): Promise<void>;
}
