import type { Client, ClientContext, ClientFile } from './client.js';
import { writeTrustStore } from './trust-store.js';

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
 * properties for every JVM. Basic credentials for tunnels need the two empty `disabledSchemes` (JDKs refuse them otherwise) and a
 * program that sends them. Those that do read `http.proxyUser` and its like get them by a file: every JVM prints
 * `JAVA_TOOL_OPTIONS` into the build's log. Maven keeps what it downloads in the session.
 */
export const java: Client = (context) => {
  const { proxy, rootsDer, hostEnv, inside } = context;
  const options = [
    ...withoutOurs(hostEnv.JAVA_TOOL_OPTIONS),
    `-Djavax.net.ssl.trustStore=${inside('java/trust.p12')}`,
    `-Djavax.net.ssl.trustStorePassword=${password}`,
    '-Djavax.net.ssl.trustStoreType=PKCS12',
    ...['http', 'https'].flatMap((scheme) => [
      `-D${scheme}.proxyHost=${proxy.host}`,
      `-D${scheme}.proxyPort=${proxy.port}`,
    ]),
    '-Dhttp.nonProxyHosts=',
    '-Djdk.http.auth.tunneling.disabledSchemes=',
    '-Djdk.http.auth.proxying.disabledSchemes=',
    `-Dmaven.repo.local=${inside('java/maven')}`,
  ];
  const others = optionVariables
    .slice(1)
    .filter((name) => hostEnv[name] !== undefined)
    .map((name) => [name, withoutOurs(hostEnv[name]).join(' ')] as const);
  const credentials = credentialsFile(context);
  const launcher = [...withoutOurs(hostEnv.JDK_JAVA_OPTIONS), quoted(`@${inside('java/credentials.args')}`)];
  return {
    env: {
      ...Object.fromEntries(others),
      JAVA_TOOL_OPTIONS: options.map(quoted).join(' '),
      ...(credentials && { JDK_JAVA_OPTIONS: launcher.join(' ') }),
    },
    files: [
      {
        name: 'java/trust.p12',
        content: writeTrustStore(rootsDer, password),
        description: "Java trust store: the system's roots and the session's CA",
      },
      ...(credentials ? [credentials] : []),
    ],
  };
};

/** Options for the `java` launcher, which reads them from a file. @see the section on argument files in java(1) */
function credentialsFile({ proxy }: ClientContext): ClientFile | undefined {
  if (proxy.user === undefined) return undefined;
  const lines = ['http', 'https'].flatMap((scheme) => [
    `-D${scheme}.proxyUser=${proxy.user}`,
    `-D${scheme}.proxyPassword=${proxy.password ?? ''}`,
  ]);
  const escaped = lines.map((line) => `"${line.replaceAll('\\', '\\\\').replaceAll('"', '\\"')}"\n`);
  return {
    name: 'java/credentials.args',
    content: escaped.join(''),
    description: 'Java: credentials of the proxy',
    isSecret: true,
  };
}

function withoutOurs(options: string | undefined): string[] {
  return (options?.match(/(?:[^\s"']|"[^"]*"|'[^']*')+/g) ?? []).filter(
    (option) => !ours.test(option.replace(/["']/g, '')),
  );
}

/** The JVM splits at white space outside quotes. */
function quoted(option: string): string {
  return /\s/.test(option) && !/["']/.test(option) ? `"${option}"` : option;
}
