// Counts what the test runners wrote for machines.
//   test-results.mjs DIRECTORY   the sum over every *.json (jest) and *.xml (GoogleTest) in it, as "PASSED FAILED SKIPPED"
// A file that cannot be read counts as a failure: a runner that died must not look like one that had nothing to say.
import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';

/** @param {string} text */
function countJest(text) {
  const { numPassedTests, numFailedTests, numPendingTests, numTodoTests, numRuntimeErrorTestSuites } = JSON.parse(text);
  return {
    passed: numPassedTests,
    // A suite that does not even load has no tests to count.
    failed: numFailedTests + numRuntimeErrorTestSuites,
    skipped: numPendingTests + numTodoTests,
  };
}

/** @param {string} text */
function countGoogleTest(text) {
  const total = /<testsuites\b([^>]*)>/.exec(text)?.[1];
  if (total === undefined || !text.trimEnd().endsWith('</testsuites>'))
    throw new Error('not a complete GoogleTest report');
  const attribute = (name) => Number(new RegExp(`\\b${name}="(\\d+)"`).exec(total)?.[1] ?? 0);
  const failed = attribute('failures') + attribute('errors');
  // GoogleTest counts skipped tests among all of them; before 1.13 the total has no attribute for them.
  const skipped = (text.match(/<testcase\b[^>]*\bresult="skipped"/g) ?? []).length;
  const disabled = attribute('disabled');
  return { passed: attribute('tests') - failed - skipped - disabled, failed, skipped: skipped + disabled };
}

const directory = process.argv[2];
if (directory === undefined) throw new Error('usage: test-results.mjs DIRECTORY');
const sum = { passed: 0, failed: 0, skipped: 0 };
for (const file of readdirSync(directory)) {
  const count = { '.json': countJest, '.xml': countGoogleTest }[path.extname(file)];
  if (count === undefined) continue;
  let counted;
  try {
    counted = count(readFileSync(path.join(directory, file), 'utf8'));
    if (Object.values(counted).some((number) => !Number.isInteger(number))) throw new Error('a count is missing');
  } catch (error) {
    console.error(`${file}: ${error.message}`);
    counted = { passed: 0, failed: 1, skipped: 0 };
  }
  for (const key of Object.keys(sum)) sum[key] += counted[key];
}
console.log(sum.passed, sum.failed, sum.skipped);
