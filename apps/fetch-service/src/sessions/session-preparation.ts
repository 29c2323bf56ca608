import type { Logger, SessionRecord } from '@waybill/contracts';
import type { BoundConfiguration, BoundConfigurations } from './bound-configurations.js';
import type { SessionParts } from './live-session.js';
import type { SecretSeal } from './secret-seal.js';
import { knownSecrets, lostSecrets, type SessionSecrets } from './secrets.js';

/** Makes sessions ready for exchanges. */
export interface SessionPreparation {
  of(configuration: BoundConfiguration, secrets: SessionSecrets): SessionParts;
  /** A session that another process created, or an earlier one: from what it stored. */
  ofStored(record: SessionRecord): SessionParts;
}

export function createSessionPreparation({
  configurations,
  seal,
  touch,
  logger,
}: {
  readonly configurations: BoundConfigurations;
  readonly seal: SecretSeal | undefined;
  readonly touch: () => void;
  readonly logger: Logger;
}): SessionPreparation {
  function secretsOf({ id, sealedSecrets, secretPatterns }: SessionRecord): SessionSecrets {
    if (secretPatterns.length === 0) return knownSecrets([]);
    const secrets = sealedSecrets === undefined ? undefined : seal?.open(id, sealedSecrets);
    if (secrets) return knownSecrets(secrets);
    const text = 'the secrets of a session are not known here: requests that need them are refused';
    logger.warn({ session: id, patterns: secretPatterns.length }, text);
    return lostSecrets(secretPatterns);
  }

  return {
    of: (configuration, secrets) => ({ configuration, secrets, touch }),
    ofStored: (record) => ({ configuration: configurations.bindStored(record), secrets: secretsOf(record), touch }),
  };
}
