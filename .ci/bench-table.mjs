// Passes on what `go test -bench` prints, and ends it with one table: what
// must be reached, and what was. Of several runs of a benchmark the best
// counts, since others use the machine too. Ends with 1 where a test failed;
// what was missed or not run is said in the table.
import { createInterface } from 'node:readline'

const ns = { show: (x) => (x < 1e4 ? `${Math.round(x)} ns` : x < 1e6 ? `${(x / 1e3).toFixed(0)} µs` : `${(x / 1e6).toFixed(2)} ms`) }
const plain = (unit) => ({ show: (x) => `${Number(x.toPrecision(3)).toLocaleString('en')}${unit}` })
const most = (limit, kind) => ({ text: `≤ ${kind.show(limit)}`, met: (x) => x <= limit, show: kind.show })
const least = (limit, kind) => ({ text: `≥ ${kind.show(limit)}`, met: (x) => x >= limit, show: kind.show })

const times = plain(' ×')
const part = { show: (x) => `1/${(1 / x).toFixed(1)}` }

const ot = 'halley/ot Benchmark'
const traces = ['automerge-paper', 'seph-blog1', 'rustcode']
const sizes = ['10KB', '100KB', '1MB', '10MB']

const append = 'halley/storage/bolt BenchmarkAppend/'
const fold = 'halley/editor Benchmark'
// What, its name, and how many times Update, db.Batch and the bare loop are due.
const loads = [
  ['one page, 50 writers', '1-page/50-writers', 15, 3, 0.7],
  ['1,000 pages, 50 writers', '1000-pages/50-writers', 10, 0, 0.7],
  ['1,000 pages, 500 writers', '1000-pages/500-writers', 10, 0, 0.7],
]
const folded = [['automerge-paper', 4], ['rustcode', 7], ['seph-blog1', 0]]

const rows = [
  ...traces.map((t) => [`replay of ${t}, per edit`, most(150, ns), () => best(`${ot}Replay/${t}`, 'ns/edit')]),
  ...traces.map((t) => [
    `  quill-delta in Node, per edit of ${t}`,
    least(100, plain(' × as long')),
    () => ratio(best(`${ot}QuillDelta/${t}`, 'ns/edit'), best(`${ot}Replay/${t}`, 'ns/edit')),
  ]),
  ['random edit in 100 KB', most(1e3, ns), () => randomEdit('100KB', false)],
  ['random edit in 10 MB', most(3e3, ns), () => randomEdit('10MB', false)],
  ['  and a snapshot after it, in 100 KB', most(3e3, ns), () => randomEdit('100KB', true)],
  ['  and a snapshot after it, in 10 MB', most(8e3, ns), () => randomEdit('10MB', true)],
  ['memory of a 10 MB plain page, a character', most(3, plain(' B')), () => best(`${ot}Memory`, 'B/char')],
  ['transform of two typing edits', most(300, ns), () => best(`${ot}Transform/two_typing`)],
  ['transform over 1,000 missed changes', most(3e5, ns), () => best(`${ot}Transform/over_1000_missed`)],
  ['decode of a typing edit with its envelope', most(1e3, ns), () => best(`${decode}typed`)],
  ['  its allocations', most(2, plain('')), () => best(`${decode}typed`, 'allocs/op')],
  ['  encoding/json on the same', null, () => ratio(best(`${decode}typed,_by_encoding/json`), best(`${decode}typed`)), plain(' × as long')],
  ['step of a page, 64 edits a batch', least(3e5, plain('/s')), () => best(`${step}crowd_of_64`, 'edits/s')],
  ['step of a page, each edit a batch of its own', null, () => best(`${step}alone`, 'edits/s'), plain('/s')],
  ["an edit's way without network and disk", null, () => best('halley/editor/httpapi BenchmarkEdge'), ns],
  ['50 writers while a backup is written, of what they store without', least(0.7, plain(' ×')), () => highest('halley/storage/bolt BenchmarkBackup', 'of-without')],
  ['upload of 100 KB, durable', null, () => best(`${uploads}100KB/1-writers/store`), ns],
  ['  a bare file, synced and renamed', null, () => ratio(best(`${uploads}100KB/1-writers/bare-file`), best(`${uploads}100KB/1-writers/store`)), plain(' × as long')],
  ['diff of one edit in 10 KB', most(2e5, ns), () => best(`${diff}one_edit_in_10_KB`)],
  ['diff of 50 edits in 100 KB', most(2e7, ns), () => best(`${diff}50_edits_in_100_KB`)],
  ['memory per idle stream, 10,000 open', most(3072, plain(' B')), () => best(`${push}IdleStreams/halley`, 'B/stream')],
  ['  of plain', most(1 / 9, part), () => ofOther('IdleStreams', 'plain', 'B/stream')],
  ['CPU per delivery, 1,000 readers, 100 changes/s', null, () => best(`${push}SingleEvents`, 'halley-cpu-ns'), ns],
  ['  of plain', most(0.75, times), () => best(`${push}SingleEvents`, 'of-plain')],
  ['  of floor', most(1.3, times), () => best(`${push}SingleEvents`, 'of-floor')],
  ['  with 5 pages a line, of one page', most(1.5, times), () => best(`${push}SingleEvents`, '5-pages-of-1')],
  ['deliveries at saturation', null, () => best(`${push}Saturation`, 'deliveries/s'), plain('/s')],
  ['  of plain', least(8, times), () => ratio(1, best(`${push}Saturation`, 'plain-of-that'))],
  ['  of floor', least(0.6, times), () => ratio(1, best(`${push}Saturation`, 'floor-of-that'))],
  ['each change synced first, 100 a second asked for', least(99, plain('/s')), () => best(`${push}SyncedEvents`, 'changes/s')],
  ['  p99 of what it is without', most(2, times), () => best(`${push}SyncedEvents`, 'p99-of-without')],
  ['100 return to 10,000 missed: CPU, of plain from memory', most(1, times), () => ofOther('Return', 'plain', 'cpu-ms/return')],
  ['5 of 20 stop reading: memory of each', most(64 << 10, plain(' B')), () => best(`${push}StalledReaders`, 'B/stalled')],
  ["  the others' p99 of what it is without", most(1.5, times), () => best(`${push}StalledReaders`, 'p99-of-without')],
  ["30 stop reading while 20,000 changes of 1 KB pass: the server's memory grows by", most(64, plain(' MiB')), () => best(`${push}StalledMemory`, 'MiB')],
  ['10,000 streams, SIGTERM: until the end', most(10, plain(' s')), () => best(`${push}Restart`, 's-to-end')],
  ['  who come back in the busiest 0.1 s', most(400, plain('')), () => best(`${push}Restart`, 'returns/100ms')],
  ['500 readers, an edit every 2 s: CPU, of polling', most(1 / 15, part), () => best(`${push}AgainstPolling`, 'of-polling')],
  ['50 people type on a page as fast as acknowledged', least(2e3, plain('/s')), () => best(`${server}50_people`, 'edits/s')],
  ['  of what the bare append loop does beside it', least(0.4, plain(' ×')), () => ratio(best(`${server}50_people`, 'edits/s'), best(`${server}50_people`, 'bare-edits/s'))],
  ['  server CPU for 10,000 edits', most(4, plain(' s')), () => best(`${server}50_people`, 'cpu-s/10k-edits')],
  ['  p99 to the others', most(50, plain(' ms')), () => best(`${server}50_people`, 'delivery-p99-ms')],
  ['2 people: acknowledged at p50, over one commit', most(2, plain(' ms')), () => best(`${server}2_people`, 'ack-p50-over-disk-ms')],
  ['  at p99', most(10, plain(' ms')), () => best(`${server}2_people`, 'ack-p99-over-disk-ms')],
  ['  at p50 over a commit of a disk that rested as long', null, () => best(`${server}2_people`, 'ack-p50-over-rested-ms'), plain(' ms')],
  ['20 people: to another screen at p50, over round trip and commit', most(5, plain(' ms')), () => best(`${server}20_people`, 'delivery-p50-over-raw-ms')],
  ['200 people on a page, 2 edits/s each: p99 to the others', most(250, plain(' ms')), () => best(`${server}200_people`, 'delivery-p99-ms')],
  ['200 pages with 2 people, 5 edits/s each', least(1980, plain('/s')), () => best(`${server}200_pages`, 'edits/s')],
  ['  acknowledged at p99', most(25, plain(' ms')), () => best(`${server}200_pages`, 'ack-p99-ms')],
  ['  server CPU for 10,000 edits', most(3, plain(' s')), () => best(`${server}200_pages`, 'cpu-s/10k-edits')],
  ['  server memory at its peak', most(120, plain(' MiB')), () => best(`${server}200_pages`, 'peak-MiB')],
  ['500 readers of a page edited 10 times a second: p99', most(40, plain(' ms')), () => best(`${server}500_readers`, 'delivery-p99-ms')],
  ['  server CPU for a delivery', most(20, plain(' µs')), () => best(`${server}500_readers`, 'cpu-µs/delivery')],
  ["a lone typist's p99 while ten send an edit 100,000 changes behind", most(2, plain(' × alone')), () => ratio(best(`${longPage}lone_typist`, 'crowded-p99-ms'), best(`${longPage}lone_typist`, 'alone-p99-ms'))],
  ['a page of 200,000 edits opened cold over HTTP', most(50, plain(' ms')), () => best(`${longPage}opened_cold`, 'open-ms')],
  ["  its size of the text's", most(1.1, plain(' ×')), () => best(`${longPage}opened_cold`, 'bytes/text-byte')],
  ...[10, 100, 1000, 3000, 9000].map((n) => [`curve: p99 to ${n} readers of a page edited 10 times a second`, null, () => best(`${scale}readers=${n}`, 'delivery-p99-ms'), plain(' ms')]),
  ...[20, 100, 400, 1000, 2000].map((n) => [`curve: acknowledged at p99, ${n} people at 2 edits/s each`, null, () => best(`${scale}people=${n}`, 'ack-p99-ms'), plain(' ms')]),
  ...loads.flatMap(([what, load, update, batch, bare]) => [
    [`durable appends, ${what}`, null, () => best(`${append}${load}/store`, 'edits/s'), plain('/s')],
    ['  of one Update an edit', least(update, plain(' ×')), () => ofStore(load, 'update')],
    ...(batch ? [['  of db.Batch', least(batch, plain(' ×')), () => ofStore(load, 'batch')]] : []),
    ['  of the bare loop', least(bare, plain(' ×')), () => ofStore(load, 'bare-loop')],
  ]),
  ['a lone writer: p50, of one Update', most(1.2, plain(' ×')), () => ratio(best(`${append}lone/store`, 'p50-µs'), best(`${append}lone/update`, 'p50-µs'))],
  ...folded.map(([trace, limit]) => [`bytes a change of ${trace}, whole file`, limit && most(limit, plain(' B')), () => best(`${fold}Folded/${trace}`, 'B/change'), plain(' B')]),
  ['  as rows of JSON, automerge-paper', null, () => best(`${fold}Folded/automerge-paper`, 'JSON-B/change'), plain(' B')],
  ['processor time of folding a change on a busy server', most(0.7, plain(' × of storing it')), () => best(`${fold}Folding`, 'fold-of-append')],
  ['open a page of 1,000,000 changes, folded', most(5e7, ns), () => best(`${fold}Open/long_history`)],
  ['  of one with the same text and 1,000 changes', most(2, plain(' ×')), () => ratio(best(`${fold}Open/long_history`), best(`${fold}Open/short_history`))],
  ['  at the farthest past seq', most(1e8, ns), () => best(`${fold}Open/the_farthest_seq`)],
  ["others' p99 beside a 10 MB page that is folded and checkpointed", most(2, plain(' × alone')), () => best(`${fold}Beside`, 'p99-of-alone')],
  ['100,000 pages: a list of 100', most(2e6, ns), () => best(`${many}list`)],
  ['  the same far down', most(2e6, ns), () => best(`${many}list,_far_down`)],
  ['  start', most(5e8, ns), () => best(`${many}open`)],
  ["  a search's first answer", most(1e9, ns), () => best(`${many}search`)],
  ["  an edit's p99 beside four searches", most(2, plain(' × alone')), () => best(`${many}edit`, 'p99-of-alone')],
  ...sizes.map((s) => [`curve: random edit in ${s}`, null, () => randomEdit(s, false), ns]),
  ...sizes.map((s) => [`curve: with a snapshot, in ${s}`, null, () => randomEdit(s, true), ns]),
]

const decode = 'halley/editor/httpapi BenchmarkDecodeEdit/'
const server = 'halley/e2e BenchmarkServer/'
const longPage = 'halley/e2e BenchmarkLongPage/'
const scale = 'halley/e2e BenchmarkScale/'
const uploads = 'halley/storage/bolt BenchmarkUpload/'
const step = 'halley/editor BenchmarkStep/'
const many = 'halley/editor BenchmarkManyPages/'
const diff = 'halley/ot/diff BenchmarkContents/'
const push = 'halley/push/bench Benchmark'

function ofStore(load, other) {
  return ratio(best(`${append}${load}/store`, 'edits/s'), best(`${append}${load}/${other}`, 'edits/s'))
}

function randomEdit(size, snapshots) {
  return best(`${ot}RandomEdit/${size}/snapshots=${snapshots}`)
}

// What the push line takes of what another server takes, in the same benchmark.
function ofOther(benchmark, other, unit) {
  return ratio(best(`${push}${benchmark}/halley`, unit), best(`${push}${benchmark}/${other}`, unit))
}

function ratio(a, b) {
  return a === undefined || b === undefined ? undefined : a / b
}

// The best value of a metric: the lowest, of a rate the highest.
const values = new Map()
function best(benchmark, unit = 'ns/op') {
  const all = values.get(`${benchmark} ${unit}`)
  return all && (unit.endsWith('/s') ? Math.max(...all) : Math.min(...all))
}

// The best value of a metric that is better when it is higher.
function highest(benchmark, unit) {
  const all = values.get(`${benchmark} ${unit}`)
  return all && Math.max(...all)
}

function read(line, pkg) {
  const fields = line.trim().split(/\s+/)
  const name = `${pkg} ${fields[0].replace(/-\d+$/, '')}`
  for (let i = 2; i + 1 < fields.length; i += 2) {
    const key = `${name} ${fields[i + 1]}`
    values.set(key, [...(values.get(key) ?? []), Number(fields[i])])
  }
}

let pkg = ''
let failed = false
for await (const line of createInterface({ input: process.stdin })) {
  console.log(line)
  if (line.startsWith('pkg: ')) pkg = line.slice('pkg: '.length)
  else if (/^Benchmark\S+\s+\d+\s/.test(line)) read(line, pkg)
  else if (/^(FAIL|--- FAIL|panic:)/.test(line)) failed = true
}

console.log()
const table = [['what', 'must', 'got', '']]
for (const [what, must, get, kind] of rows) {
  const got = get()
  const show = must?.show ?? kind.show
  const word = !must || got === undefined ? '' : must.met(got) ? 'met' : 'MISSED'
  table.push([what, must?.text ?? '', got === undefined ? 'not run' : show(got), word])
}
const width = (i) => Math.max(...table.map((row) => row[i].length))
for (const row of table) {
  console.log(`${row[0].padEnd(width(0))}  ${row[1].padStart(width(1))}  ${row[2].padStart(width(2))}  ${row[3]}`.trimEnd())
}
process.exitCode = failed ? 1 : 0
