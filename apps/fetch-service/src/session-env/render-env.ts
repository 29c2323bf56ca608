import { bypassReason } from '@waybill/client-setup';

/** Formats of `fetchctl env`. */
export const envFormats = ['shell', 'dotenv', 'json'] as const;
export type EnvFormat = (typeof envFormats)[number];

/** What a client's environment becomes. */
export interface SessionEnv {
  readonly env: Readonly<Record<string, string>>;
  /** Variables to remove. */
  readonly unset: readonly string[];
  readonly files: readonly { readonly path: string; readonly description: string }[];
}

/** The text of an environment; sorted, so that the same gives the same. */
export function renderEnv({ env, unset, files }: SessionEnv, format: EnvFormat): string {
  const pairs = Object.entries(env).sort(([a], [b]) => (a < b ? -1 : 1));
  if (format === 'json') {
    const document = { env: Object.fromEntries(pairs), unset, files: files.map(({ path }) => path) };
    return `${JSON.stringify(document, undefined, 2)}\n`;
  }
  const lines =
    format === 'shell'
      ? [
          ...unset.filter(isName).map((name) => `unset ${name}`),
          ...pairs.map(([n, v]) => `export ${n}=${shellText(v)}`),
        ]
      : [
          ...unset.map(
            (name) => `# remove ${name}: it ${bypassReason(name) ?? 'is numbered for settings that are gone'}`,
          ),
          ...pairs.map(([n, v]) => `${n}=${dotenvText(v)}`),
        ];
  return `${lines.join('\n')}\n`;
}

/** Shells refuse to unset anything else, and cannot have set it. */
function isName(name: string): boolean {
  return /^[A-Za-z_][A-Za-z0-9_]*$/.test(name);
}

function shellText(value: string): string {
  return `'${value.replaceAll("'", "'\\''")}'`;
}

/** Bare where every reader agrees (docker takes quotes literally), else in quotes that suspend expansion. */
function dotenvText(value: string): string {
  if (/^[\w./:@%+,=~-]*$/.test(value)) return value;
  return value.includes("'") ? `"${value.replace(/["\\$`]/g, '\\$&')}"` : `'${value}'`;
}
