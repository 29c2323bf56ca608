import type { DoctorResult } from '../commands/doctor.js';
import type { ClientFinding } from '../doctor/run-probe.js';

const titles = ['Client', 'Version', 'Proxy', 'CA', 'Auth', 'Verdict'] as const;

function cells({ client, version, proxy, ca, auth, verdict }: ClientFinding): string[] {
  return [client, version ?? '', proxy, ca, auth, verdict];
}

/** `craft doctor` on a terminal: the table, and what those that fail printed. */
export function renderDoctor({ findings, missing }: DoctorResult): string[] {
  const rows = [[...titles], ...findings.map(cells)];
  const widths = titles.map((_, column) => Math.max(...rows.map((row) => (row[column] ?? '').length)));
  const lines = rows.map((row) =>
    row
      .map((cell, column) => cell.padEnd(widths[column] ?? 0))
      .join('  ')
      .trimEnd(),
  );
  const failing = findings.filter(({ verdict }) => verdict === 'fails');
  return [
    ...lines,
    ...failing.flatMap(({ client, output, hint }) => [
      '',
      `${client} printed:`,
      ...output.map((line) => `  ${line}`),
      ...(hint === undefined ? [] : [`  → needs ${hint}`]),
    ]),
    ...(missing.length > 0 ? ['', `Not installed: ${missing.join(', ')}`] : []),
  ];
}

/** The same as a Markdown table, for docs/clients.md. */
export function doctorMarkdown({ findings, missing }: DoctorResult): string[] {
  const row = (texts: readonly string[]) => `| ${texts.map((text) => text.replaceAll('|', '\\|')).join(' | ')} |`;
  return [
    row(titles),
    row(titles.map(() => '---')),
    ...findings.map((finding) => row(cells(finding))),
    ...(missing.length > 0 ? ['', `Not installed there: ${missing.join(', ')}.`] : []),
  ];
}
