import { configFileOf, loadConfig } from '../config/load-config.js';
import type { CommandContext, CommandResult } from './command.js';

/** Reads a configuration and says what it means. @throws ArtifactCacheError SERVER_CONFIG_MISSING, SERVER_CONFIG_INVALID */
export async function checkConfig({ env }: CommandContext, option: string | undefined): Promise<CommandResult> {
  const { file, config } = await loadConfig(configFileOf(option, env), env);
  const listeners = config.listen.map(({ address, tls, anonymous }) => {
    const host = address.host.includes(':') ? `[${address.host}]` : address.host;
    return `  ${tls ? 'https' : 'http'}://${host}:${address.port}, anonymous: ${anonymous}`;
  });
  // Anybody who listens in can take a token that goes over an open line.
  const open = config.listen.filter(({ address, tls }) => !tls && !/^(127\.|::1$|localhost$)/.test(address.host));
  const warnings = open.map(
    ({ address }) => `warning: ${address.host}:${address.port} is reached from elsewhere and has no TLS`,
  );
  return {
    lines: [
      `${file} is right.`,
      ...listeners,
      `  namespaces: ${Object.keys(config.namespaces).join(', ')}`,
      ...warnings,
    ],
    value: { file, namespaces: Object.keys(config.namespaces), warnings },
  };
}
