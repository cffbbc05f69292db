/** Takes the pictures in README.md, with `make shot`: two people at work on one page. */
import { statSync } from 'node:fs'
import { join } from 'node:path'
import { expect } from 'vitest'
import { until } from './src/patience'
import type { Person } from './src/person'
import type { Op } from './src/program'
import { test } from './src/stage'

const SHOTS = join(import.meta.dirname, 'shots')
const MAX_BYTES = 300_000

const line = (text: string, attributes: Record<string, unknown>): Op[] => [
  { insert: text },
  { insert: '\n', attributes },
]

const PAGE: Op[] = [
  { insert: 'On Saturday the observatory is open to everybody from dusk. We expect ' },
  { insert: 'about two hundred people', attributes: { bold: true } },
  { insert: ', many of them children, and a clear sky. ' },
  { insert: 'The map of the grounds', attributes: { link: 'https://example.org/map' } },
  { insert: ' is up to date.\n' },
  ...line('To do before dusk', { header: 2 }),
  ...line('Print the star charts, red on black', { list: 'checked' }),
  ...line('Cover the lamps on the way up', { list: 'checked' }),
  ...line('Collimate the old refractor', { list: 'unchecked' }),
  ...line('Cocoa', { list: 'unchecked' }),
  ...line('What we show', { header: 2 }),
  ...line('Saturn, low in the south-east, from nine', { list: 'ordered' }),
  ...line('The ring nebula, for those who like to wait', { list: 'ordered' }),
  ...line('“The comet comes back in 2061; whoever is ten tonight will see it.”', { blockquote: true }),
  { insert: 'Questions go to the desk at the gate.\n' },
]

const LOOKS = [
  { file: 'two-people', scheme: 'light', width: 1280, height: 800 },
  { file: 'two-people-dark', scheme: 'dark', width: 1280, height: 800 },
  { file: 'two-people-phone', scheme: 'light', width: 375, height: 720 },
] as const

test.skipIf(process.env.HALLEY_SHOT !== '1').for(LOOKS)(
  'a picture of two people at work: $file',
  async ({ file, scheme, width, height }, { stage }) => {
    const page = await stage.program.create({ title: 'Open night at the observatory', delta: PAGE })
    const quill = await stage.person('Quill')
    await quill.page.setViewport({ width, height, deviceScaleFactor: 2, isMobile: width < 500 })
    await quill.page.emulateMediaFeatures([{ name: 'prefers-color-scheme', value: scheme }])
    const ink = await stage.person('Ink')
    await Promise.all([quill.opens(stage.at(page)), ink.opens(stage.at(page))])
    await quill.selects('a clear sky')
    await ink.caret('after', 'Cocoa')
    await ink.types(' and something to ')
    await quill.sees('something to')
    await quill.status('saved')
    await settled(quill)
    const path = join(SHOTS, `${file}.png`) as `${string}.png`
    await quill.page.mouse.move(0, height - 1)
    await ink.types('sit on')
    await quill.sees('sit on')
    await until('the name is at the cursor', async () =>
      (await quill.page.$('.h-cursor:not(.h-cursor-quiet)')) ? true : undefined,
    )
    await quill.page.screenshot({ path, optimizeForSpeed: false })
    expect(statSync(path).size).toBeLessThan(MAX_BYTES)
  },
)

/** Waits until nothing moves any more. */
async function settled(who: Person): Promise<void> {
  await who.page.evaluate(() => Promise.all(document.getAnimations().map(animation => animation.finished)))
}
