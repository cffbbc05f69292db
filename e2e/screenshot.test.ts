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
    const mira = await stage.person('Mira')
    await mira.page.setViewport({ width, height, deviceScaleFactor: 2, isMobile: width < 500 })
    await mira.page.emulateMediaFeatures([{ name: 'prefers-color-scheme', value: scheme }])
    const jonas = await stage.person('Jonas')
    await Promise.all([mira.opens(stage.at(page)), jonas.opens(stage.at(page))])
    await mira.selects('a clear sky')
    await jonas.caret('after', 'Cocoa')
    await jonas.types(' and something to ')
    await mira.sees('something to')
    await mira.status('saved')
    await settled(mira)
    const path = join(SHOTS, `${file}.png`) as `${string}.png`
    await mira.page.mouse.move(0, height - 1)
    await jonas.types('sit on')
    await mira.sees('sit on')
    await until('the name is at the cursor', async () =>
      (await mira.page.$('.h-cursor:not(.h-cursor-quiet)')) ? true : undefined,
    )
    await mira.page.screenshot({ path, optimizeForSpeed: false })
    expect(statSync(path).size).toBeLessThan(MAX_BYTES)
  },
)

/** Waits until nothing moves any more. */
async function settled(who: Person): Promise<void> {
  await who.page.evaluate(() => Promise.all(document.getAnimations().map(animation => animation.finished)))
}
