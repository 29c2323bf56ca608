import type { Found } from './npm-origins.js';
import { globBelow, parseHttpUrl } from './origin-url.js';
import type { RunProgram } from './run-program.js';

/**
 * git has no default origin. What can be found is where `url.<base>.insteadOf` sends it; other URLs are named by the person.
 * @param chosen globs or URLs of `--git-url`
 */
export async function findGitOrigins(run: RunProgram, chosen: readonly string[]): Promise<Found<string>> {
  const wanted = chosen.map((text) => {
    const url = /[*?{[]/.test(text) ? undefined : parseHttpUrl(text);
    return url ? globBelow(url) : text;
  });
  const answer = await run('git', ['config', '--get-regexp', '^url\\..*\\.(insteadof|pushinsteadof)$']);
  if ('missing' in answer)
    return { origins: wanted, notes: wanted.length > 0 ? [] : ['git is not installed: no git section'] };
  // git exits 1 when nothing is configured.
  const lines = 'output' in answer ? answer.output.split('\n') : [];
  const bases = lines.flatMap((line) => /^url\.(\S+)\.insteadof /i.exec(line)?.[1] ?? []);
  const found = bases.flatMap((base) => {
    const url = parseHttpUrl(base);
    return url ? [globBelow(url)] : [];
  });
  const origins = [...new Set([...wanted, ...found])];
  const notes =
    origins.length > 0
      ? []
      : ['git has no default origin: add URLs of your repositories with --git-url=URL or in git.urls'];
  return { origins, notes };
}
