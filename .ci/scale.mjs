// Draws README's plot from what `go test -bench Scale ./e2e` prints: how long a
// keystroke takes to the others' screens, against how many there are. Of several
// runs the best counts, since others use the machine too.
import { createInterface } from 'node:readline'

const panels = [
  { of: 'readers', title: 'Readers of one page, edited 10 times a second', points: new Map() },
  { of: 'people', title: 'People typing 2 edits a second each, 4 to a page', points: new Map() },
]
const series = [
  { metric: 'delivery-p50-ms', name: 'half of all within' },
  { metric: 'delivery-p99-ms', name: '99 % within' },
]

for await (const line of createInterface({ input: process.stdin })) {
  console.error(line)
  const found = /^BenchmarkScale\/(\w+)=(\d+)/.exec(line)
  const panel = panels.find((p) => p.of === found?.[1])
  if (!panel) continue
  const x = Number(found[2])
  const fields = line.trim().split(/\s+/)
  for (const { metric } of series) {
    const y = Number(fields[fields.indexOf(metric) - 1])
    const point = panel.points.get(x) ?? {}
    panel.points.set(x, { ...point, [metric]: Math.min(y, point[metric] ?? Infinity) })
  }
}
if (panels.some((p) => p.points.size === 0)) {
  console.error('scale.mjs: this is no output of BenchmarkScale')
  process.exit(1)
}

const [width, height] = [880, 330]
const plot = { top: 58, bottom: 274, width: 340, lefts: [62, 502] }
const slowest = Math.max(...panels.flatMap((p) => [...p.points.values()].flatMap(Object.values)))
const rangeY = [1, 10 ** Math.ceil(Math.log10(Math.max(slowest, 300)))]
const liveMs = 250

const scaled = (v, [from, to], [start, end]) => start + ((end - start) * Math.log(v / from)) / Math.log(to / from)
const atY = (ms) => scaled(Math.max(ms, rangeY[0]), rangeY, [plot.bottom, plot.top]).toFixed(1)
const text = (x, y, anchor, words, kind = '') => `<text x="${x}" y="${y}" text-anchor="${anchor}" class="${kind}">${words}</text>`
const ms = (y) => (y >= 1000 ? `${y / 1000} s` : `${y} ms`)

function draw(panel, left) {
  const right = left + plot.width
  const xs = [...panel.points.keys()].sort((a, b) => a - b)
  const atX = (x) => scaled(x, [xs[0], xs.at(-1)], [left + 12, right - 12]).toFixed(1)
  const out = [text(left, 30, 'start', panel.title, 'title')]
  for (let y = rangeY[0]; y <= rangeY[1]; y *= 10) {
    out.push(`<line x1="${left}" x2="${right}" y1="${atY(y)}" y2="${atY(y)}" class="grid"/>`)
    out.push(text(left - 8, Number(atY(y)) + 4, 'end', ms(y)))
  }
  out.push(`<line x1="${left}" x2="${right}" y1="${atY(liveMs)}" y2="${atY(liveMs)}" class="live"/>`)
  out.push(text(left + 4, Number(atY(liveMs)) - 5, 'start', 'still feels live', 'faint'))
  for (const x of xs) out.push(text(atX(x), plot.bottom + 20, 'middle', x.toLocaleString('en')))
  series.forEach(({ metric }, i) => {
    const line = xs.map((x) => [atX(x), atY(panel.points.get(x)[metric])])
    out.push(`<polyline points="${line.map((p) => p.join(',')).join(' ')}" class="s${i}"/>`)
    for (const [x, y] of line) out.push(`<circle cx="${x}" cy="${y}" r="3.5" class="d${i}"/>`)
  })
  return out
}

const legend = series.flatMap(({ name }, i) => {
  const x = plot.lefts[0] + 270 + i * 180
  return [`<line x1="${x}" x2="${x + 26}" y1="312" y2="312" class="s${i}"/>`, text(x + 34, 316, 'start', name)]
})
legend.push(text(plot.lefts[0], 316, 'start', "From the keystroke to the others' screens:"))
console.log(`<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" width="${width}" height="${height}" role="img">
<title>From a keystroke to the others' screens</title>
<style>
svg { --ink: #1f2328; --faint: #656d76; --grid: #d8dee4; --a: #0f766e; --b: #c2410c }
@media (prefers-color-scheme: dark) { svg { --ink: #e6edf3; --faint: #9198a1; --grid: #30363d; --a: #2dd4bf; --b: #fb923c } }
text { font: 12px system-ui, sans-serif; fill: var(--ink) }
.title { font-size: 13px; font-weight: 600 }
.faint { fill: var(--faint) }
line, polyline { fill: none; stroke-width: 2 }
.grid { stroke: var(--grid); stroke-width: 1 }
.live { stroke: var(--faint); stroke-width: 1; stroke-dasharray: 2 4 }
.s0 { stroke: var(--a) } .s1 { stroke: var(--b); stroke-dasharray: 7 4 }
.d0 { fill: var(--a) } .d1 { fill: var(--b) }
</style>
${panels.flatMap((p, i) => draw(p, plot.lefts[i])).concat(legend).join('\n')}
</svg>`)
