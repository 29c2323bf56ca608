/**
 * Writes what `craft doctor` finds on this machine into docs/clients.md, between the markers. Clients that are not installed are
 * named below the table, so install what is wanted before. Usage: node tooling/ci/client-matrix.mjs (after a build)
 */
import { execFile } from 'node:child_process';
import { readFile, writeFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

const run = promisify(execFile);
const root = (path) => fileURLToPath(new URL(`../../${path}`, import.meta.url));
const page = root('docs/clients.md');
const [begin, end] = ['<!-- craft doctor: begin -->', '<!-- craft doctor: end -->'];

/** The text with a new table between its markers. */
export function withMatrix(text, table) {
  const [from, to] = [text.indexOf(begin), text.indexOf(end)];
  if (from < 0 || to < from) throw new Error(`${page} has no lines ${begin} and ${end}`);
  return `${text.slice(0, from + begin.length)}\n${table.trim()}\n${text.slice(to)}`;
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  // A client that fails belongs into the table as well.
  const { stdout } = await run(root('tooling/bin/craft'), ['doctor', '--format', 'markdown']).catch((error) => error);
  if (!stdout?.includes('| Client |')) throw new Error(`craft doctor gave no table: ${stdout}`);
  await writeFile(page, withMatrix(await readFile(page, 'utf8'), stdout));
}
