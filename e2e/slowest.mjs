// Reads the reports of `go test -json` and of Vitest, prints the ten slowest
// tests of all and, as the last line, how many passed, failed and were
// skipped. Ends with 1 where one failed or a report is missing.
import { existsSync, readFileSync } from 'node:fs'

const tests = []
let missing = 0

for (const file of process.argv.slice(2)) {
  if (!existsSync(file)) {
    console.log(`no report ${file}: its tests did not run to their end`)
    missing++
    continue
  }
  const text = readFileSync(file, 'utf8')
  if (file.endsWith('go.json')) readGo(text)
  else readVitest(JSON.parse(text))
}

function readGo(text) {
  for (const line of text.split('\n')) {
    if (!line.startsWith('{')) continue
    const event = JSON.parse(line)
    if (event.Test && ['pass', 'fail', 'skip'].includes(event.Action)) {
      tests.push({
        name: `${event.Package} ${event.Test}`,
        seconds: event.Elapsed ?? 0,
        result: event.Action,
        part: event.Test.includes('/'),
      })
    } else if (event.Action === 'fail' && event.Package) {
      tests.push({ name: event.Package, seconds: 0, result: 'fail', part: true })
    }
  }
}

function readVitest(report) {
  const results = { passed: 'pass', failed: 'fail' }
  for (const suite of report.testResults) {
    if (suite.status === 'failed' && suite.assertionResults.length === 0) {
      tests.push({ name: suite.name, seconds: 0, result: 'fail' })
    }
    for (const test of suite.assertionResults) {
      tests.push({
        name: test.fullName,
        seconds: (test.duration ?? 0) / 1000,
        result: results[test.status] ?? 'skip',
      })
    }
  }
}

console.log('\nThe ten slowest:')
const whole = tests.filter(t => !t.part)
for (const t of whole.sort((a, b) => b.seconds - a.seconds).slice(0, 10)) {
  console.log(`  ${t.seconds.toFixed(1).padStart(6)} s  ${t.name}`)
}
const count = result => tests.filter(t => t.result === result).length
const failed = count('fail') + missing
console.log(`\n${count('pass')} passed, ${failed} failed, ${count('skip')} skipped`)
process.exit(failed > 0 ? 1 : 0)
