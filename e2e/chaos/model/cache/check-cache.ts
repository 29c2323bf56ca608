import type { Violation } from '../history.js';
import { checkAnswers } from './answers.js';
import type { CacheHistory } from './history.js';
import { checkNames } from './names.js';
import { checkBlobs } from './pulled-blobs.js';

/** Every rule that a history of a cache breaks. */
export function checkCache(history: CacheHistory): Violation[] {
  return [...checkNames(history), ...checkBlobs(history), ...checkAnswers(history)];
}
