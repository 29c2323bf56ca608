import type { Client } from './client.js';

/**
 * dnf knows no variable for its configuration or its roots: call `dnf --config="$WAYBILL_DNF_CONFIG"`. Without it dnf follows the proxy
 * variables, but trusts the system's roots only.
 */
export const dnf: Client = async ({ proxy, bundle, inside, readHostFile }) => {
  const host = (await readHostFile('/etc/dnf/dnf.conf')) ?? '[main]';
  const kept = host
    .split('\n')
    .filter((line) => !/^\s*(?:proxy\w*|ssl\w*|cachedir|metadata_expire|username|password)\s*=/i.test(line));
  const at = kept.findIndex((line) => line.trim() === '[main]');
  const { user, password } = proxy;
  const main = [
    '[main]',
    `proxy=${user === undefined ? proxy.url : `http://${proxy.host.includes(':') ? `[${proxy.host}]` : proxy.host}:${proxy.port}`}`,
    ...(user === undefined
      ? []
      : [`proxy_username=${user}`, `proxy_password=${password ?? ''}`, 'proxy_auth_method=basic']),
    `sslcacert=${bundle}`,
    'sslverify=1',
    `cachedir=${inside('dnf/cache')}`,
  ];
  const lines = at < 0 ? [...main, ...kept] : [...kept.slice(0, at), ...main, ...kept.slice(at + 1)];
  return {
    env: { WAYBILL_DNF_CONFIG: inside('dnf/dnf.conf') },
    files: [
      {
        name: 'dnf/dnf.conf',
        content: `${lines.join('\n').trimEnd()}\n`,
        description: 'dnf: proxy and trust, for dnf --config',
        isSecret: true,
      },
    ],
  };
};
