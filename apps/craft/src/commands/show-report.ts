import { readFile, stat } from 'node:fs/promises';
import { craftReportSchema, sessionReportSchema } from '@waybill/contracts';
import { CraftError } from '../errors.js';
import { type ReportSummary, summarise } from '../report/report-summary.js';

const maxBytes = 1 << 29;

/** What `craft report` shows. */
export interface ShownReport {
  readonly file: string;
  readonly summary: ReportSummary;
  /** `name version (architecture)` and how the build went; absent in a plain session report. */
  readonly build:
    | {
        readonly component: string;
        readonly result: string;
        readonly artifact: string | undefined;
        readonly environment: string;
        readonly bypassControlled: boolean;
        readonly error: string | undefined;
      }
    | undefined;
}

/**
 * Reads a report: craft's, or a session report as the service gives it.
 * @throws CraftError CRAFT_REPORT_INVALID
 */
export async function showReport(file: string): Promise<ShownReport> {
  const value = await readJson(file);
  const whole = craftReportSchema.safeParse(value);
  if (whole.success) {
    const report = whole.data;
    const name = [report['component-name'], report['component-version']].filter(Boolean).join(' ');
    return {
      file,
      summary: summarise(report),
      build: {
        component: `${name} (${report.architecture})`,
        result: report.build.result,
        artifact: report.build.artifact,
        environment: report['build-environment'].kind,
        bypassControlled: report['build-environment']['bypass-controlled'],
        error: report.build.error?.message,
      },
    };
  }
  const session = sessionReportSchema.safeParse(value);
  if (session.success) return { file, summary: summarise(session.data), build: undefined };
  throw new CraftError('CRAFT_REPORT_INVALID', `${file} is not a session report`, {
    details: session.error.issues.slice(0, 5).map((issue) => `${issue.path.join('.') || 'document'}: ${issue.message}`),
  });
}

async function readJson(file: string): Promise<unknown> {
  try {
    const { size } = await stat(file);
    if (size > maxBytes) throw new Error(`it has ${size} bytes, at most ${maxBytes} are read`);
    return JSON.parse(await readFile(file, 'utf8'));
  } catch (cause) {
    throw new CraftError('CRAFT_REPORT_INVALID', `cannot read the report ${file}: ${(cause as Error).message}`, {
      cause,
    });
  }
}
