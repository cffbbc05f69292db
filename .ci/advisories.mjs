// Looks up known advisories for what the program is built of and tested with: Go
// modules and the standard library by govulncheck, npm packages by npm audit.
// A database that cannot be reached is said so and is no failure: `make lint`
// works without a network. Run at the root of the repository; GO is the go
// command, GOVULNDB another database than vuln.go.dev.
import { spawnSync } from 'node:child_process'

const { GO = 'go', GOVULNDB = 'https://vuln.go.dev' } = process.env
const patience = 15_000 // milliseconds for a database to answer

let found = false
const skipped = (what, why) => console.log(`advisories: not checked for ${what}: ${why}`)

const run = (command, args, options) =>
  spawnSync(command, args, { encoding: 'utf8', maxBuffer: 64 << 20, ...options })

/** Why the database of Go's advisories cannot be read; '' if it can. */
async function unreachable() {
  if (GOVULNDB.startsWith('file:')) return ''
  try {
    const answer = await fetch(`${GOVULNDB}/index/db.json`, { signal: AbortSignal.timeout(patience) })
    return answer.ok ? '' : `${GOVULNDB} answers ${answer.status}`
  } catch (error) {
    return `${GOVULNDB} cannot be reached (${error.cause?.code ?? error.name})`
  }
}

async function checkGo() {
  const why = await unreachable()
  if (why) return skipped('Go', why)
  const [go, ...args] = GO.split(' ')
  const { status, stdout, stderr } = run(go, [...args, 'tool', '-modfile=.tools/go.mod', 'govulncheck', '-db', GOVULNDB, './...'])
  if (status === 0) return console.log('advisories: none for Go')
  found = true
  console.error(status === 3 ? stdout : `advisories: govulncheck ended with ${status}\n${stderr}`)
}

function checkNPM(folder) {
  const { stdout, error } = run('npm', ['audit', '--json', '--fetch-retries=0', `--fetch-timeout=${patience}`], { cwd: folder })
  let report = {}
  try {
    report = JSON.parse(stdout)
  } catch {
    // no report
  }
  const counts = report.metadata?.vulnerabilities
  if (!counts) return skipped(folder, `the npm registry gives no advisories (${report.message ?? error?.message ?? 'no report'})`)
  if (counts.total === 0) return console.log(`advisories: none for ${folder}`)
  found = true
  for (const { name, severity, range, via } of Object.values(report.vulnerabilities)) {
    const titles = via.map(v => (typeof v === 'string' ? v : `${v.title} ${v.url}`)).join('; ')
    console.error(`advisories: ${folder}: ${name} ${range}, ${severity}: ${titles}`)
  }
}

await checkGo()
checkNPM('frontend')
checkNPM('e2e')
process.exitCode = found ? 1 : 0
