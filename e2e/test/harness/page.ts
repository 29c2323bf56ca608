import { readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';

/** A block of a page that a test runs, with what stands behind its language: words, and `name=value`. */
export interface PageBlock {
  readonly language: string;
  readonly words: ReadonlySet<string>;
  readonly values: Readonly<Record<string, string>>;
  readonly text: string;
}

/** The fenced blocks of a page of `docs/`, in order. */
export async function readPage(name: string): Promise<readonly PageBlock[]> {
  const page = await readFile(fileURLToPath(new URL(`../../../docs/${name}`, import.meta.url)), 'utf8');
  return [...page.matchAll(/^```(\w+)([^\n]*)\n(.*?)^```$/gms)].map(([, language = '', info = '', text = '']) => {
    const parts = info.trim().split(/\s+/).filter(Boolean);
    const values = parts.filter((part) => part.includes('=')).map((part) => part.split('=', 2) as [string, string]);
    return {
      language,
      words: new Set(parts.filter((part) => !part.includes('='))),
      values: Object.fromEntries(values),
      text,
    };
  });
}
