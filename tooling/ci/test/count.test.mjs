import { describe, expect, it } from 'vitest';
import { countTests } from '../count.mjs';

const allRan = { unit: 0, int: 0, e2e: 0, live: 0 };

function report(lane, { passed = 0, failed = 0, skipped = 0, todo = 0, brokenFiles = 0 } = {}) {
  const testResults = Array.from({ length: passed + skipped + todo }, () => file('passed', 'passed'));
  for (let i = 0; i < failed; i += 1) testResults.push(file('failed', 'failed'));
  for (let i = 0; i < brokenFiles; i += 1) testResults.push({ name: 'broken', status: 'failed', assertionResults: [] });
  return {
    lane,
    owner: 'any',
    report: {
      success: failed + brokenFiles === 0,
      numPassedTests: passed,
      numFailedTests: failed,
      numPendingTests: skipped,
      numTodoTests: todo,
      testResults,
    },
  };
}

function file(status, test) {
  return { name: 'any', status, assertionResults: [{ status: test }] };
}

const green = ['unit', 'int', 'e2e', 'live'].map((lane) => report(lane, { passed: 2 }));
const without = (lane) => green.filter((entry) => entry.lane !== lane);

describe('countTests', () => {
  it('adds up the packages and lanes of a good run', () => {
    const sum = countTests([...green, report('unit', { passed: 5 })], { packages: 0, ...allRan, check: 0 });
    expect(sum).toEqual({ passed: 13, failed: 0, skipped: 0, problems: [] });
  });

  it('lets the live lane skip', () => {
    const sum = countTests([...without('live'), report('live', { passed: 1, skipped: 3 })], allRan);
    expect(sum).toMatchObject({ passed: 7, failed: 0, skipped: 3, problems: [] });
  });

  it.each([
    ['a failed test', [...green, report('int', { failed: 1 })], { ...allRan, int: 1 }],
    ['a file that cannot be loaded', [...green, report('int', { brokenFiles: 1 })], { ...allRan, int: 1 }],
    ['a skipped test outside the live lane', [...green, report('int', { skipped: 1 })], allRan],
    ['a todo outside the live lane', [...green, report('unit', { todo: 1 })], allRan],
    ['a lane without any report', without('e2e'), allRan],
    ['a lane whose packages are all empty', [...without('live'), report('live')], allRan],
    ['a lane that was never started', green, { unit: 0, int: 0, live: 0 }],
    ['a lane that ended badly with green tests', green, { ...allRan, e2e: 137 }],
    ['a failed check', green, { ...allRan, check: 1 }],
  ])('counts %s as one failure', (_name, reports, statuses) => {
    expect(countTests(reports, statuses)).toMatchObject({ failed: 1, skipped: 0 });
  });

  it('names every problem that is not a failed test', () => {
    const { problems } = countTests(without('e2e'), { ...allRan, check: 1 });
    expect(problems).toEqual(['e2e: the lane did not run', 'check: ended with exit code 1']);
  });

  it('says nothing good about no reports at all', () => {
    expect(countTests([], {})).toMatchObject({ passed: 0, failed: 8, skipped: 0 });
  });
});
