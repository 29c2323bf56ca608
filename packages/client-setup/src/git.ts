import type { Client } from './client.js';

/** Keys that lead around the session or switch checks off, also in their `http.<url>.…` form. */
const bypass =
  /^(?:http\.(?:.+\.)?(?:proxy|sslverify|sslcainfo|sslcapath|curloptresolve)|remote\..+\.proxy|core\.gitproxy)$/i;

const largestCount = 1000;

/**
 * git gets its settings through `GIT_CONFIG_COUNT`, which beats every file and leaves them alone. Settings that the host passes
 * the same way stay, except those that would undo ours.
 */
export const git: Client = ({ proxy, bundle, hostEnv }) => {
  const settings = [
    ...hostSettings(hostEnv).filter(([key]) => !bypass.test(key)),
    ['http.proxy', proxy.url],
    ['http.proxyAuthMethod', 'basic'],
    ['http.sslVerify', 'true'],
    ['http.sslCAInfo', bundle],
  ] as const;
  const numbered = settings.flatMap(([key, value], index) => [
    [`GIT_CONFIG_KEY_${index}`, key],
    [`GIT_CONFIG_VALUE_${index}`, value],
  ]);
  return {
    env: { GIT_SSL_CAINFO: bundle, GIT_CONFIG_COUNT: String(settings.length), ...Object.fromEntries(numbered) },
  };
};

function hostSettings(hostEnv: Readonly<NodeJS.ProcessEnv>): [key: string, value: string][] {
  const count = Math.min(Number(hostEnv.GIT_CONFIG_COUNT ?? 0) || 0, largestCount);
  return Array.from({ length: count }, (_, i): [string, string] => [
    hostEnv[`GIT_CONFIG_KEY_${i}`] ?? '',
    hostEnv[`GIT_CONFIG_VALUE_${i}`] ?? '',
  ]).filter(([key]) => key !== '');
}
