// Applies the edits of a trace one by one with quill-delta and prints the
// nanoseconds that one took: the baseline of BenchmarkReplay.
//
//   node quill-delta.mjs path/to/trace.json.gz
import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { gunzipSync } from 'node:zlib'

// quill-delta is installed for the browser app's tests.
const { default: Delta } = createRequire(new URL('../../frontend/package.json', import.meta.url))('quill-delta')

const trace = JSON.parse(gunzipSync(readFileSync(process.argv[2])))
const edits = trace.txns.flatMap((txn) =>
  txn.patches.map(([at, deleted, inserted]) => new Delta().retain(at).insert(inserted).delete(deleted)),
)

const start = process.hrtime.bigint()
let content = new Delta()
for (const edit of edits) content = content.compose(edit)
const nanoseconds = Number(process.hrtime.bigint() - start)

if (content.reduce((text, op) => text + op.insert, '') !== trace.endContent) {
  throw new Error('the text is not the published one')
}
console.log(nanoseconds / edits.length)
