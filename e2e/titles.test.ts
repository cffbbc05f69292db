/** A title that two people edit at the same time. */
import { describe, expect } from 'vitest'
import type { BrowserName } from './src/browsers'
import { until, untilEqual } from './src/patience'
import type { Person } from './src/person'
import { test } from './src/stage'

const title = ({ page }: Person) => page.$eval('.title textarea', field => field.value)

/** Puts the caret into the title, at its beginning or end. */
const goes = ({ page }: Person, where: 'start' | 'end') =>
  page.$eval(
    '.title textarea',
    (field, where) => {
      field.focus()
      const at = where === 'start' ? 0 : field.value.length
      field.setSelectionRange(at, at)
    },
    where,
  )

describe.each<BrowserName>(['chromium', 'firefox'])('%s', browser => {
  test('two people write in one title: nothing is lost, and each takes back only their own', async ({
    stage,
  }) => {
    const page = await stage.program.create({ title: 'Same' })
    const quill = await stage.person('Quill', browser)
    const ink = await stage.person('Ink', browser)
    await quill.opens(stage.at(page))
    await ink.opens(stage.at(page))
    await goes(quill, 'end')
    await goes(ink, 'start')
    await Promise.all([quill.types(' Alpha'), ink.types('The ')])
    for (const person of [quill, ink]) await untilEqual('both words', 'The Same Alpha', () => title(person))
    // The caret has stayed at its word, though others wrote before it.
    await quill.types('!')
    for (const person of [quill, ink]) await untilEqual('the mark', 'The Same Alpha!', () => title(person))
    // What was typed slowly goes in several steps.
    for (let i = 0; i < 8 && (await title(quill)) !== 'The Same'; i++) await quill.presses('Mod-z')
    await until('Alpha goes', async () => (await title(ink)) === 'The Same' || undefined)
    for (let i = 0; i < 8 && (await title(ink)) !== 'Same'; i++) await ink.presses('Mod-z')
    for (const person of [quill, ink]) await untilEqual('all taken back', 'Same', () => title(person))
    expect((await stage.program.page(page.id)).title).toBe('Same')
  })
})
