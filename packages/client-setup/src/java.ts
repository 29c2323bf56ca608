import type { Client } from './client.js';
import { writeJavaKeyStore } from './java-key-store.js';

/** Java's own default; the store holds public certificates only. */
const password = 'changeit';

/** System properties that decide where Java connects and whom it trusts. */
const ours =
  /^-D(?:(?:https?|ftp)\.(?:proxy|nonProxy)|socksProxy|socksNonProxy|java\.net\.useSystemProxies|javax\.net\.ssl\.trustStore|jdk\.http\.auth\.(?:tunneling|proxying)\.disabledSchemes|maven\.repo\.local)/;

/** Variables with options of a JVM: all but the first beat it, so ours are taken out of them. */
const optionVariables = [
  'JAVA_TOOL_OPTIONS',
  '_JAVA_OPTIONS',
  'JDK_JAVA_OPTIONS',
  'JAVA_OPTS',
  'MAVEN_OPTS',
  'GRADLE_OPTS',
  'ANT_OPTS',
  'SBT_OPTS',
] as const;

/**
 * Java reads neither the proxy variables nor PEM bundles: a trust store with the system's roots and the CA, and system
 * properties for every JVM. Credentials in a proxy URL need the two empty `disabledSchemes` (JDKs refuse Basic for tunnels
 * otherwise) and a program that sends them itself; behind a relay there are none. Maven keeps what it downloads in the session.
 */
export const java: Client = ({ proxy, rootsDer, hostEnv, inside }) => {
  const credentials = ['http', 'https'].flatMap((scheme) =>
    proxy.user === undefined
      ? []
      : [`-D${scheme}.proxyUser=${proxy.user}`, `-D${scheme}.proxyPassword=${proxy.password ?? ''}`],
  );
  const options = [
    ...withoutOurs(hostEnv.JAVA_TOOL_OPTIONS),
    `-Djavax.net.ssl.trustStore=${inside('java/trust.jks')}`,
    `-Djavax.net.ssl.trustStorePassword=${password}`,
    '-Djavax.net.ssl.trustStoreType=JKS',
    ...['http', 'https'].flatMap((scheme) => [
      `-D${scheme}.proxyHost=${proxy.host}`,
      `-D${scheme}.proxyPort=${proxy.port}`,
    ]),
    ...credentials,
    '-Dhttp.nonProxyHosts=',
    '-Djdk.http.auth.tunneling.disabledSchemes=',
    '-Djdk.http.auth.proxying.disabledSchemes=',
    `-Dmaven.repo.local=${inside('java/maven')}`,
  ];
  const others = optionVariables
    .slice(1)
    .filter((name) => hostEnv[name] !== undefined)
    .map((name) => [name, withoutOurs(hostEnv[name]).join(' ')] as const);
  return {
    env: { ...Object.fromEntries(others), JAVA_TOOL_OPTIONS: options.map(quoted).join(' ') },
    files: [
      {
        name: 'java/trust.jks',
        // The same certificates give the same file.
        content: writeJavaKeyStore(rootsDer, password, new Date(0)),
        description: "Java trust store: the system's roots and the session's CA",
      },
    ],
  };
};

function withoutOurs(options: string | undefined): string[] {
  return (options?.match(/(?:[^\s"']|"[^"]*"|'[^']*')+/g) ?? []).filter(
    (option) => !ours.test(option.replace(/["']/g, '')),
  );
}

/** The JVM splits at white space outside quotes. */
function quoted(option: string): string {
  return /\s/.test(option) && !/["']/.test(option) ? `"${option}"` : option;
}
