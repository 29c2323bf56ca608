import { collectJars } from './jars.js';
import type { PartOf } from './part-of.js';
import { type Plugin, shellWords } from './plugin.js';

/** `mvn package`; the jars go to `jar`. In a session with the session's settings, which Maven before 3.9 takes only so. */
export const maven: Plugin<PartOf<'maven'>> = {
  name: 'maven',
  keys: ['maven-parameters', 'maven-use-wrapper'],
  environment: () => ({}),
  commands({ part }) {
    const program = part['maven-use-wrapper'] ? 'sh ./mvnw' : 'mvn';
    return [
      'if [ -n "$WAYBILL_MAVEN_SETTINGS" ]; then set -- "--settings=$WAYBILL_MAVEN_SETTINGS"; else set --; fi',
      `${program} --batch-mode --no-transfer-progress "$@" package${shellWords(part['maven-parameters'])}`,
      ...collectJars('target'),
    ];
  },
};
