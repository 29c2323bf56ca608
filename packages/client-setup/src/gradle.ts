import type { Client } from './client.js';

/**
 * Gradle. Its home lies in the session, so that everything is downloaded through it. `gradle.properties` there reaches the
 * daemon as well, which a JVM option of the client does not always do; a daemon that outlives the build would keep the session's
 * settings, so there is none.
 */
export const gradle: Client = ({ proxy, inside }) => {
  const properties: Readonly<Record<string, string>> = {
    'org.gradle.daemon': 'false',
    ...Object.fromEntries(
      ['http', 'https'].flatMap((scheme) => [
        [`systemProp.${scheme}.proxyHost`, proxy.host],
        [`systemProp.${scheme}.proxyPort`, String(proxy.port)],
        ...(proxy.user === undefined
          ? []
          : [
              [`systemProp.${scheme}.proxyUser`, proxy.user],
              [`systemProp.${scheme}.proxyPassword`, proxy.password ?? ''],
            ]),
      ]),
    ),
    'systemProp.http.nonProxyHosts': '',
    'systemProp.jdk.http.auth.tunneling.disabledSchemes': '',
    'systemProp.jdk.http.auth.proxying.disabledSchemes': '',
  };
  const lines = Object.entries(properties).map(([key, value]) => `${key}=${value.replaceAll('\\', '\\\\')}\n`);
  return {
    env: { GRADLE_USER_HOME: inside('java/gradle') },
    files: [
      {
        name: 'java/gradle/gradle.properties',
        content: lines.join(''),
        description: "Gradle's properties: proxy, no daemon",
        isSecret: proxy.user !== undefined,
      },
    ],
  };
};
