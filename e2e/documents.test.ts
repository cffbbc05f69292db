/** Real documents: our own README.md through the editor and out again, and a page that two people wrote for real. */
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { gunzipSync } from 'node:zlib'
import { expect } from 'vitest'
import { DATA, test } from './src/stage'

const README = join(import.meta.dirname, '../README.md')
const TRACE = join(DATA, 'editing-traces/friendsforever.json.gz')

test('README.md is imported, edited by two, and comes out with its other blocks byte for byte', async ({
  stage,
}) => {
  const [quill, ink] = await Promise.all([stage.person('Quill'), stage.person('Ink')])
  await quill.page.goto(stage.server.url)
  const choosing = quill.page.waitForFileChooser()
  await quill.clicks('Import files…')
  await (await choosing).accept([README])
  await quill.reads('1 of 1 file')
  await quill.clicks('Open')
  await quill.ready()
  await ink.opens(quill.page.url())
  const id = new URL(quill.page.url()).pathname.split('/').pop()!
  expect(await stage.program.markdown(id), 'unedited').toBe(readFileSync(README, 'utf8'))

  const paragraphs = await quill.page.$$eval('.h-surface > p', all => all.map(p => p.textContent ?? ''))
  const [first, last] = [paragraphs[0]!, paragraphs.at(-1)!]
  await quill.caret('after', first)
  await ink.caret('after', last)
  await Promise.all([quill.types(' And it is fast.'), ink.types(' Enjoy it.')])
  await stage.agree(await stage.program.page(id), quill, ink)

  const before = blocks(readFileSync(README, 'utf8'))
  const after = blocks(await stage.program.markdown(id))
  const edited = [first, last].map(text => before.findIndex(block => plain(block) === plain(text)))
  expect(edited).not.toContain(-1)
  expect(after).toHaveLength(before.length)
  const differing = after.flatMap((block, i) => (block === before[i] ? [] : [i]))
  expect(differing).toEqual(edited)
  expect(edited.map(i => after[i])).toEqual([
    `${before[edited[0]!]} And it is fast.`,
    `${before[edited[1]!]!.trimEnd()} Enjoy it.\n`,
  ])
})

/** The blocks of a Markdown file: what blank lines part, but not within fences. */
function blocks(markdown: string): string[] {
  const all: string[] = []
  let inFence = false
  for (const piece of markdown.split(/\n\n/)) {
    if (inFence) all.push(`${all.pop()}\n\n${piece}`)
    else all.push(piece)
    if ((piece.match(/^```/gm)?.length ?? 0) % 2 === 1) inFence = !inFence
  }
  return all
}

function plain(text: string): string {
  return text.replace(/[`*_]|\]\([^)]*\)|\[/g, '').trim()
}

test.skipIf(!existsSync(TRACE))(
  'a page that two people wrote for real is there for a browser that comes later (needs ../shared/data)',
  async ({ stage }) => {
    const { endContent } = JSON.parse(gunzipSync(readFileSync(TRACE)).toString()) as { endContent: string }
    const page = await stage.program.create({ title: 'friendsforever' })
    const submit = stage.program.editor(page.id)
    const EDITS = 300
    const length = Math.ceil(endContent.length / EDITS)
    let seq = page.seq
    for (let at = 0; at < endContent.length; at += length) {
      const insert = endContent.slice(at, at + length)
      seq = await submit(seq, at === 0 ? [{ insert }] : [{ retain: at }, { insert }])
    }
    const quill = await stage.person('Quill')
    await quill.opens(stage.at(page))
    expect(await quill.text()).toBe(`${endContent}\n`)
  },
)
