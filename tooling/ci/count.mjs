import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';

/** Lanes whose tests must exist and must not be skipped; the live lane may skip what the machine cannot reach. */
const testLanes = ['unit', 'int', 'e2e', 'live'];
const maySkip = new Set(['live']);

/**
 * Sums up vitest's JSON reports (`<lane>.<package>.json`) and how the lanes ended. Whatever is wrong is part of `failed`,
 * so that the last line of a bad run never reads like a good one.
 *
 * @param {{ lane: string, owner: string, report: VitestReport }[]} reports
 * @param {Record<string, number>} statuses exit code of each lane
 * @typedef {{ success: boolean, numPassedTests: number, numFailedTests: number, numPendingTests: number,
 *   numTodoTests: number, testResults: { name: string, status: string, assertionResults: object[] }[] }} VitestReport
 */
export function countTests(reports, statuses) {
  const sum = { passed: 0, failed: 0, skipped: 0 };
  const problems = [];
  for (const lane of testLanes) {
    const mine = reports.filter((entry) => entry.lane === lane);
    const total = laneTotal(mine);
    sum.passed += total.passed;
    sum.failed += total.failed;
    sum.skipped += total.skipped;
    if (total.skipped > 0 && !maySkip.has(lane)) {
      problems.push(`${lane}: ${total.skipped} skipped, which only the live lane may`);
      sum.failed += total.skipped;
      sum.skipped -= total.skipped;
    }
    if (total.passed + total.failed + total.skipped === 0) {
      problems.push(`${lane}: the lane did not run`);
      sum.failed += 1;
    }
    if (statuses[lane] === undefined || (statuses[lane] !== 0 && total.failed === 0)) {
      problems.push(`${lane}: ended with exit code ${statuses[lane] ?? 'unknown'} without a failed test`);
      sum.failed += 1;
    }
  }
  for (const [name, status] of Object.entries(statuses)) {
    if (testLanes.includes(name) || status === 0) continue;
    problems.push(`${name}: ended with exit code ${status}`);
    sum.failed += 1;
  }
  return { ...sum, problems };
}

function laneTotal(entries) {
  const total = { passed: 0, failed: 0, skipped: 0 };
  for (const { report } of entries) {
    total.passed += report.numPassedTests;
    total.skipped += report.numPendingTests + report.numTodoTests;
    // A file that cannot be loaded has no tests to fail.
    const brokenFiles = report.testResults.filter(
      (file) => file.status === 'failed' && !file.assertionResults.some((test) => test.status === 'failed'),
    );
    const failed = report.numFailedTests + brokenFiles.length;
    total.failed += failed === 0 && !report.success && report.testResults.length > 0 ? 1 : failed;
  }
  return total;
}

function readReports(directory) {
  return readdirSync(directory)
    .filter((file) => file.endsWith('.json'))
    .sort()
    .map((file) => {
      const [lane, owner] = file.split('.');
      return { lane, owner, report: JSON.parse(readFileSync(join(directory, file), 'utf8')) };
    });
}

function main([directory, ...pairs]) {
  const statuses = Object.fromEntries(pairs.map((pair) => pair.split('=')).map(([name, code]) => [name, Number(code)]));
  const reports = readReports(directory);
  const { passed, failed, skipped, problems } = countTests(reports, statuses);
  process.stdout.write('\n== sum\n');
  for (const { lane, owner, report } of reports) {
    const total = laneTotal([{ report }]);
    if (report.testResults.length > 0) {
      process.stdout.write(
        `${lane} ${owner}: ${total.passed} passed, ${total.failed} failed, ${total.skipped} skipped\n`,
      );
    }
  }
  for (const problem of problems) process.stdout.write(`problem: ${problem}\n`);
  process.stdout.write(`${passed} passed, ${failed} failed, ${skipped} skipped\n`);
  process.exitCode = failed === 0 ? 0 : 1;
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) main(process.argv.slice(2));
