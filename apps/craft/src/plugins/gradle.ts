import { collectJars } from './jars.js';
import type { PartOf } from './part-of.js';
import { type Plugin, shellWord, shellWords } from './plugin.js';

/** A task of Gradle, by the project's wrapper where it has one; the jars go to `jar`. */
export const gradle: Plugin<PartOf<'gradle'>> = {
  name: 'gradle',
  keys: ['gradle-task', 'gradle-parameters'],
  environment: () => ({}),
  commands({ part }) {
    const rest = `--console=plain --no-daemon ${shellWord(part['gradle-task'])}${shellWords(part['gradle-parameters'])}`;
    return [`if [ -f gradlew ]; then sh ./gradlew ${rest}; else gradle ${rest}; fi`, ...collectJars('build/libs')];
  },
};
