import type { Inspector } from '../inspector.js';
import { jsonDerivation } from '../json-derivation.js';
import { approved, rejected } from '../opinions.js';
import type { IndexTarget } from './apt-url.js';
import { decompressAny } from './bytes/decompress.js';
import { createLineSplitter } from './bytes/line-splitter.js';
import { FormatProblem, quote } from './format-problem.js';
import { checkIndex, claimIndex, linkTo, refuseIndex } from './index-check.js';
import type { Repository } from './repositories.js';

const maxCommandsBytes = 256 * 2 ** 20;

/** What the header of a Commands file says. */
export interface CommandsFile {
  readonly suite: string;
  readonly component: string;
  readonly arch: string;
  readonly count: number;
}

/** `apt.commands`: the command-not-found indexes that a trusted release lists. */
export function aptCommands(repositories: readonly Repository[]): Inspector<IndexTarget> {
  return {
    id: 'apt.commands',
    inspectRequest: (request) => claimIndex(request, repositories, 'commands'),
    async inspectArtifact(artifact, expected, context) {
      if (!expected) return undefined;
      const check = await checkIndex(expected, artifact, context);
      if (!check.ok) return refuseIndex(expected, check);
      const { release, entry, place } = check.listed;
      try {
        const { signal } = context;
        const commands = await context.derived(commandsFile, entry.sha256, () => {
          const bytes = decompressAny(check.reading.open(), { maxBytes: maxCommandsBytes, signal });
          return parseCommands(bytes, signal);
        });
        return approved(`lists the commands of ${commands.count} packages and is listed in a trusted release`, {
          metadata: {
            type: 'application/x.apt.commands',
            name: 'Commands',
            version: release.value.codename,
            vendor: release.value.origin,
            author: release.value.origin,
            description: `${place.suite} ${place.component}`,
            architecture: commands.arch,
            'apt-suite': release.value.suite,
          },
          annotations: { ...commands, 'release-file': release.ref.sha256 },
          vouchedBy: [linkTo(release)],
        });
      } catch (error) {
        if (!(error instanceof FormatProblem)) throw error;
        return rejected(`Commands file ${error.message}`, {
          annotations: { 'error-msg': error.message, 'release-file': release.ref.sha256 },
        });
      }
    },
  };
}

const commandsFile = jsonDerivation<CommandsFile>('apt.commands/1');

/**
 * Reads a Commands file: a paragraph of suite, component and arch, then one of name, version and commands (and possibly
 * others) per package.
 * @throws FormatProblem
 */
export async function parseCommands(chunks: AsyncIterable<Buffer>, signal?: AbortSignal): Promise<CommandsFile> {
  const header = ['suite', 'component', 'arch'];
  const entry = ['name', 'version', 'commands'];
  let head: Record<string, string> | undefined;
  let fields: Record<string, string> = {};
  let open = false;
  let count = 0;
  let line = 0;

  function closeParagraph(): void {
    if (!open) return;
    const wanted = head ? entry : header;
    const missing = wanted.filter((name) => fields[name] === undefined);
    if (missing.length > 0) {
      const what = head ? 'entry' : 'header';
      throw new FormatProblem(`the ${what} that ends at line ${line} lacks ${missing.join(', ')}`);
    }
    if (head) count += 1;
    else head = fields;
    fields = {};
    open = false;
  }

  const splitter = createLineSplitter((buffer, start, end) => {
    line += 1;
    const text = buffer.toString('utf8', start, end);
    if (text === '') return closeParagraph();
    if (/^[ \t]/.test(text)) {
      if (!open) throw new FormatProblem(`line ${line} continues a field, but none is open`);
      return;
    }
    const match = /^([a-z0-9-]+):(.*)$/is.exec(text);
    const name = match?.[1]?.toLowerCase();
    if (!match || !name) throw new FormatProblem(`line ${line} is no field: ${quote(text)}`);
    open = true;
    if (!head && !header.includes(name)) throw new FormatProblem(`its header has the field ${quote(name)}`);
    if (![...header, ...entry].includes(name)) return;
    if (fields[name] !== undefined) throw new FormatProblem(`line ${line} gives the field ${name} a second time`);
    fields[name] = (match[2] ?? '').trim();
  });
  for await (const chunk of chunks) {
    signal?.throwIfAborted();
    splitter.push(chunk);
  }
  splitter.end();
  closeParagraph();
  if (!head) throw new FormatProblem('has no header of suite, component and arch');
  const { suite = '', component = '', arch = '' } = head;
  return { suite, component, arch, count };
}
