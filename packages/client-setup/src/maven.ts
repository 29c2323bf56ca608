import { join } from 'node:path';
import type { Client, ClientContext } from './client.js';

const largestElement = 100_000;
/** Elements of the user's settings that say where artifacts come from; servers and proxies hold credentials. */
const carried = ['mirrors', 'profiles', 'activeProfiles', 'pluginGroups'] as const;

/**
 * Maven's own transports take a proxy's credentials, and from 3.9 on the proxy itself, from its settings only
 * (`http.proxyUser` means nothing to them). So the session has settings of its own with the user's mirrors and profiles.
 * `MAVEN_ARGS` names them (Maven 3.9 and newer); for older ones `WAYBILL_MAVEN_SETTINGS` is at hand for `--settings`.
 */
export const maven: Client = async (context) => {
  const { proxy, inside, hostEnv } = context;
  const file = inside('java/settings.xml');
  const others = (hostEnv.MAVEN_ARGS ?? '').split(/\s+/).filter((word) => word !== '');
  return {
    env: {
      WAYBILL_MAVEN_SETTINGS: file,
      // The launcher splits at blanks and knows no quotes.
      ...(!/\s/.test(file) && { MAVEN_ARGS: [...withoutSettings(others), `--settings=${file}`].join(' ') }),
    },
    files: [
      {
        name: 'java/settings.xml',
        content: settings(context, await userSettings(context)),
        description: "Maven's settings: proxy, and the user's mirrors and profiles",
        isSecret: proxy.user !== undefined,
      },
    ],
  };
};

function settings({ proxy, inside }: ClientContext, user: string): string {
  const credentials =
    proxy.user === undefined
      ? ''
      : `<username>${xmlText(proxy.user)}</username><password>${xmlText(proxy.password ?? '')}</password>`;
  const proxies = ['http', 'https'].map(
    (scheme) =>
      `    <proxy><id>waybill-${scheme}</id><active>true</active><protocol>${scheme}</protocol>` +
      `<host>${xmlText(proxy.host)}</host><port>${proxy.port}</port>${credentials}</proxy>`,
  );
  return [
    '<?xml version="1.0" encoding="UTF-8"?>',
    '<settings>',
    `  <localRepository>${xmlText(inside('java/maven'))}</localRepository>`,
    '  <proxies>',
    ...proxies,
    '  </proxies>',
    ...(user === '' ? [] : [user]),
    '</settings>',
    '',
  ].join('\n');
}

async function userSettings({ hostEnv, readHostFile }: ClientContext): Promise<string> {
  if (!hostEnv.HOME) return '';
  const text = await readHostFile(join(hostEnv.HOME, '.m2/settings.xml'));
  return carried.flatMap((name) => element(withoutComments(text ?? ''), name) ?? []).join('\n');
}

/** The first element of a name with everything in it; cut out by its tags, which do not nest in settings. */
function element(xml: string, name: string): string | undefined {
  const start = xml.indexOf(`<${name}>`);
  const end = xml.indexOf(`</${name}>`, start);
  if (start < 0 || end < 0 || end - start > largestElement) return undefined;
  // User info in a URL is a credential.
  return `  ${xml.slice(start, end)}</${name}>`.replace(/(https?:\/\/)[^/@<>\s]{0,500}@/g, '$1');
}

function withoutComments(xml: string): string {
  let text = xml;
  for (;;) {
    const start = text.indexOf('<!--');
    if (start < 0) return text;
    const end = text.indexOf('-->', start);
    text = text.slice(0, start) + (end < 0 ? '' : text.slice(end + 3));
  }
}

function withoutSettings(words: readonly string[]): string[] {
  return words.filter(
    (word, index) => !/^(?:-s|--settings)(?:=|$)/.test(word) && !/^(?:-s|--settings)$/.test(words[index - 1] ?? ''),
  );
}

function xmlText(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;');
}
