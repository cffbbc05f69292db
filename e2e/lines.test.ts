/** Lines that are slow, break, or go dead, and a server that is killed: nothing that was typed is lost or doubled. */
import { expect } from 'vitest'
import { textOf } from './src/delta'
import { until } from './src/patience'
import type { Person } from './src/person'
import type { PageObject } from './src/program'
import { type Stage, test } from './src/stage'
import { countTokens, tokens } from './src/tokens'
import type { Wire } from './src/wire'

/** What happens before the token of that number is typed. */
type Weather = Record<number, () => Promise<void> | void>

async function write(who: Person, mark: string, count: number, weather: Weather = {}): Promise<void> {
  for (const [i, token] of tokens(mark, count).entries()) {
    await weather[i]?.()
    await who.types(` ${token}`)
  }
}

/** Two people with their carets apart in one paragraph, each over a line of their own. */
async function twoLines(stage: Stage): Promise<[PageObject, Person, Person, Wire, Wire]> {
  const page = await stage.write('Quill: and Ink:')
  const [one, other] = [await stage.wire(), await stage.wire()]
  const [quill, ink] = await stage.two(page, { quill: one, ink: other })
  await quill.caret('after', 'Quill:')
  await ink.goesToEnd()
  return [page, quill, ink, one, other]
}

test('the line is slow, in pieces, and cut while both type', async ({ stage }) => {
  const [page, quill, ink, one, other] = await twoLines(stage)
  const isGone = async (who: Person) => {
    const { text } = await who.status('reconnecting', 'offline')
    expect(text).toMatch(/^(Reconnecting|Offline)/)
  }
  await Promise.all([
    write(quill, 'm', 60, {
      5: () => one.breakNext('in the answer'),
      15: () => one.breakNext('in the request', 'in the answer'),
      25: () => one.cut(),
      28: () => isGone(quill),
      30: () => one.mend(),
      40: () => {
        one.delayMs = 15
        one.pieceBytes = 40
      },
      50: () => {
        one.delayMs = 0
      },
    }),
    write(ink, 'j', 60, {
      10: () => {
        other.pieceBytes = 3
      },
      20: () => {
        other.pieceBytes = Number.POSITIVE_INFINITY
        other.cut()
      },
      23: () => isGone(ink),
      26: () => other.mend(),
      35: () => other.breakNext('in the answer', 'in the answer'),
      45: () => other.breakNext('in the request'),
    }),
  ])

  const text = textOf(await stage.agree(page, quill, ink))
  expect(countTokens(text)).toEqual({ m: 60, j: 60 })
  expect(text).toMatch(/^Quill: m0 .* m59 and Ink: j0 .* j59\n$/)
  expect([one.broken, other.broken], 'edits that were broken on their way').toEqual([3, 3])
})

test('the chip says how many edits wait while the line is cut, and Saved when it is back', async ({
  stage,
}) => {
  const [page, quill, ink, one] = await twoLines(stage)
  one.cut()
  await quill.status('reconnecting', 'offline')
  await write(quill, 'm', 3)
  const { text } = await quill.chip()
  expect(text).toMatch(/^(Reconnecting|Offline) — \d+ edits kept in this tab/)
  expect(await quill.text(), 'she goes on writing').toContain('Quill: m0 m1 m2')
  expect(await ink.text()).not.toContain('m0')
  one.mend()
  await stage.agree(page, quill, ink)
  expect((await quill.chip()).text).toBe('Saved')
})

test('a browser that is told that it is offline says so, and keeps what is written', async ({ stage }) => {
  const page = await stage.write('Here:')
  const [quill, ink] = await stage.two(page)
  await quill.goesToEnd()
  await quill.page.setOfflineMode(true)
  await write(quill, 'm', 5)
  expect((await quill.status('offline')).text).toMatch(
    /^Offline — \d+ edits? kept in this tab until you are back$/,
  )
  await quill.page.setOfflineMode(false)
  expect(countTokens(textOf(await stage.agree(page, quill, ink)))).toEqual({ m: 5 })
})

test('where the line swallows everything the edits are said to wait, and arrive when it is open again', async ({
  stage,
}) => {
  const [page, quill, ink, one] = await twoLines(stage)
  one.stall()
  await write(quill, 'm', 4)
  expect((await quill.status('waiting')).text).toMatch(/^\d+ edits waiting$/)
  await write(ink, 'j', 4)
  one.mend()
  const text = textOf(await stage.agree(page, quill, ink))
  expect(text).toBe('Quill: m0 m1 m2 m3 and Ink: j0 j1 j2 j3\n')
})

test('the server is killed and started again while both type', async ({ stage }) => {
  const page = await stage.write('Quill: and Ink:')
  const [quill, ink] = await stage.two(page)
  await quill.caret('after', 'Quill:')
  await ink.goesToEnd()
  await Promise.all([
    write(quill, 'm', 60, {
      10: () => stage.server.kill(),
      12: async () => {
        expect((await quill.status('reconnecting', 'offline')).text).toMatch(/kept in this tab/)
      },
      20: () => stage.server.begin(),
      // Between an edit and its answer, as far as that can be hit.
      40: async () => {
        await stage.server.kill()
        await stage.server.begin()
      },
    }),
    write(ink, 'j', 60),
  ])

  const text = textOf(await stage.agree(page, quill, ink))
  expect(countTokens(text)).toEqual({ m: 60, j: 60 })
  const numbers = new Map<string, number[]>()
  for (const { client, n } of await stage.program.changes(page.id)) {
    numbers.set(client, [...(numbers.get(client) ?? []), n])
  }
  for (const [client, ns] of numbers) {
    expect(ns, `the numbers of ${client}'s edits`).toEqual(ns.map((_, i) => i + 1))
  }
})

test('a page that was open all night gets exactly what it missed, and keeps what was written in it', async ({
  stage,
}) => {
  const CHANGES = 2000
  const WRITERS = 4
  const page = await stage.write('Evening.')
  const line = await stage.wire()
  const quill = await stage.person('Quill')
  await quill.opens(stage.at(page, line))
  await quill.goesToEnd()
  await quill.page.evaluate(() => {
    document.documentElement.dataset.since = 'the evening'
  })

  line.stall()
  const writer = async (mark: string) => {
    const submit = stage.program.editor(page.id)
    let base = page.seq
    for (const token of tokens(mark, CHANGES / WRITERS)) base = await submit(base, [{ insert: `${token} ` }])
  }
  await Promise.all([...'abcd'].map(writer))
  const { seq: head } = await stage.program.page(page.id)
  expect(head - page.seq).toBe(CHANGES)
  await quill.types(' Still awake.')

  // In the morning the connections turn out to be dead.
  line.listening = true
  line.cut()
  line.mend()
  await quill.sees('a499')
  const text = textOf(await stage.agree(page, quill))
  expect(text).toMatch(/ Evening\. Still awake\.\n$/)
  expect(countTokens(text)).toEqual({ a: 500, b: 500, c: 500, d: 500 })
  expect(await quill.page.evaluate(() => document.documentElement.dataset.since)).toBe('the evening')
  const own = () => (line.heard.some(stream => seqsIn(stream).some(seq => seq > head)) ? true : undefined)
  await until('her own edit came over the line', own)
  // Where the browser is too busy to hear its line it may open a second one, or ask beside it, which repeats.
  const missed = new Set<number>()
  for (const seqs of line.heard.map(seqsIn)) {
    expect(seqs, 'the changes on one connection').toEqual([...new Set(seqs)].sort((a, b) => a - b))
    for (const seq of seqs) if (seq <= head) missed.add(seq)
  }
  expect([...missed].sort((a, b) => a - b)).toEqual(
    Array.from({ length: CHANGES }, (_, i) => page.seq + 1 + i),
  )
})

/** The seqs of the changes that a connection told, in order, as a stream or in answers to polls. */
function seqsIn(told: string): number[] {
  const events = told.replace(/\r\n[0-9a-f]+\r\n/g, '')
  return Array.from(events.matchAll(/"seq":(\d+),"delta":/g), ([, seq]) => Number(seq))
}
