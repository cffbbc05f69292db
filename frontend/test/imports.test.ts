import { readdirSync, readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { describe, expect, it } from 'vitest'

/** Who may know whom: ui → binding → protocol ← transport. */
const MAY_IMPORT: Record<string, readonly string[]> = {
  protocol: [],
  transport: ['protocol'],
  binding: ['protocol'],
  ui: ['protocol', 'binding', 'transport'],
}

/** Which packages a layer may use. */
const PACKAGES: Record<string, RegExp> = {
  protocol: /^(?!)/,
  transport: /^(?!)/,
  binding: /^prosemirror-/,
  ui: /^(preact|@preact\/signals)(\/|$)/,
}

const source = fileURLToPath(new URL('../src', import.meta.url))

describe.each(Object.keys(MAY_IMPORT))('%s', layer => {
  const files = readdirSync(`${source}/${layer}`, { recursive: true, encoding: 'utf8' }).filter(
    name => /\.tsx?$/.test(name) && !/\.test\.tsx?$/.test(name),
  )

  it('imports only what it may know', () => {
    expect(files.length).toBeGreaterThan(0)
    const wrong = files.flatMap(name => {
      const text = readFileSync(`${source}/${layer}/${name}`, 'utf8')
      const imports = [...text.matchAll(/(?:\bfrom |^import |\bimport\()'([^']+)'/gm)].map(match => match[1]!)
      return imports.filter(what => !isAllowed(layer, name, what)).map(what => `${layer}/${name} → ${what}`)
    })
    expect(wrong).toEqual([])
  })
})

function isAllowed(layer: string, name: string, what: string): boolean {
  if (!what.startsWith('.')) return PACKAGES[layer]!.test(what)
  const target = new URL(what, `file:///${layer}/${name}`).pathname.split('/')[1]!
  return target === layer || MAY_IMPORT[layer]!.includes(target)
}
