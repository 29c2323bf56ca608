import type { PartConfig, PluginName } from '@waybill/contracts';

/** What a plugin may look at. */
export interface PluginInput<Part extends PartConfig = PartConfig> {
  readonly part: Part;
  /** Directory of the part's scripts; a plugin may use a directory of its own name in it. */
  readonly run: string;
  readonly isGitSource: boolean;
}

/**
 * How a kind of part is built. A plugin only writes down commands; they run in the part's build directory, in the build
 * environment, with the step's variables.
 */
export interface Plugin<Part extends PartConfig = PartConfig> {
  readonly name: PluginName;
  /** Variables of the build step beside the usual ones. */
  environment(input: PluginInput<Part>): Record<string, string>;
  /** Lines of the build script. */
  commands(input: PluginInput<Part>): string[];
  /** Files to put into the run directory before, by name. */
  files?(input: PluginInput<Part>): Record<string, string>;
  /** Keys of the part, beyond the common ones, that its build depends on. */
  readonly keys: readonly string[];
}

/** Text as one word of a shell script. */
export function shellWord(text: string): string {
  return /^[A-Za-z0-9_./:=@%+,-]+$/.test(text) ? text : `'${text.replaceAll("'", "'\\''")}'`;
}

/** Words as they stand behind a command: each with a blank in front. */
export function shellWords(words: readonly string[]): string {
  return words.map((word) => ` ${shellWord(word)}`).join('');
}
