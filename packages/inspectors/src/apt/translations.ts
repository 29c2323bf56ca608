import type { Inspector } from '../inspector.js';
import { jsonDerivation } from '../json-derivation.js';
import { approved, rejected } from '../opinions.js';
import type { IndexTarget } from './apt-url.js';
import { decompressAny } from './bytes/decompress.js';
import { createLineSplitter } from './bytes/line-splitter.js';
import { FormatProblem, quote } from './format-problem.js';
import { checkIndex, claimIndex, linkTo, refuseIndex } from './index-check.js';
import type { Repository } from './repositories.js';

const maxTranslationBytes = 512 * 2 ** 20;
const descriptionCount = jsonDerivation<number>('apt.translations/1');

/** `apt.translations`: translated package descriptions that a trusted release lists. */
export function aptTranslations(repositories: readonly Repository[]): Inspector<IndexTarget> {
  return {
    id: 'apt.translations',
    inspectRequest: (request) => claimIndex(request, repositories, 'translations'),
    async inspectArtifact(artifact, expected, context) {
      if (!expected) return undefined;
      const check = await checkIndex(expected, artifact, context);
      if (!check.ok) return refuseIndex(expected, check);
      const { release, entry, place } = check.listed;
      try {
        const { signal } = context;
        const count = await context.derived(descriptionCount, entry.sha256, () => {
          const bytes = decompressAny(check.reading.open(), { maxBytes: maxTranslationBytes, signal });
          return countTranslations(bytes, signal);
        });
        return approved(`holds ${count} descriptions and is listed in a trusted release`, {
          metadata: {
            type: 'application/x.apt.translation',
            name: 'Translation',
            version: release.value.codename,
            vendor: release.value.origin,
            author: release.value.origin,
            description: `${place.suite} ${place.component} ${languageOf(entry.path)}`,
            'apt-suite': release.value.suite,
          },
          annotations: { 'description-count': count, 'release-file': release.ref.sha256 },
          vouchedBy: [linkTo(release)],
        });
      } catch (error) {
        if (!(error instanceof FormatProblem)) throw error;
        return rejected(`Translation file ${error.message}`, {
          annotations: { 'error-msg': error.message, 'release-file': release.ref.sha256 },
        });
      }
    },
  };
}

/**
 * Counts the paragraphs of a Translation file; each has Package, Description-md5 and one Description-<language>. An empty
 * file is fine: small components have nothing to translate.
 * @throws FormatProblem
 */
export async function countTranslations(chunks: AsyncIterable<Buffer>, signal?: AbortSignal): Promise<number> {
  let count = 0;
  let line = 0;
  let seen = 0;
  const all = 0b111;

  function closeParagraph(): void {
    if (seen === 0) return;
    if (seen !== all) {
      const names = ['Package', 'Description-md5', 'Description-<language>'];
      const missing = names.filter((_, bit) => !(seen & (1 << bit)));
      throw new FormatProblem(`the paragraph that ends at line ${line} lacks ${missing.join(', ')}`);
    }
    count += 1;
    seen = 0;
  }

  const splitter = createLineSplitter((buffer, start, end) => {
    line += 1;
    if (start === end) return closeParagraph();
    if (buffer[start] === 0x20 || buffer[start] === 0x09) {
      if (seen === 0) throw new FormatProblem(`line ${line} continues a field, but none is open`);
      return;
    }
    const name = /^([!-9;-~]+):/.exec(buffer.toString('latin1', start, Math.min(end, start + 64)))?.[1]?.toLowerCase();
    const bit = name === 'package' ? 1 : name === 'description-md5' ? 2 : name?.startsWith('description-') ? 4 : 0;
    if (bit === 0)
      throw new FormatProblem(`line ${line} is none of its fields: ${quote(buffer.toString('latin1', start, end))}`);
    if (seen & bit) throw new FormatProblem(`line ${line} gives the field ${name} a second time`);
    seen |= bit;
  });
  for await (const chunk of chunks) {
    signal?.throwIfAborted();
    splitter.push(chunk);
  }
  splitter.end();
  closeParagraph();
  return count;
}

function languageOf(path: string): string {
  return /Translation-([^.]+)/.exec(path)?.[1] ?? '';
}
