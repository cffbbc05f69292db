/** The list of pages: what is there, what becomes of it, and files in and out. */
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, onTestFinished } from 'vitest'
import { textOf } from './src/delta'
import { until, untilEqual } from './src/patience'
import type { Person } from './src/person'
import { test } from './src/stage'

/** The titles in the list, as they stand there. */
function titles(who: Person): Promise<string[]> {
  return who.page.$$eval('.row-title', all => all.map(title => title.textContent ?? ''))
}

function sees(who: Person, ...want: string[]): Promise<void> {
  return untilEqual(`${who.name}'s list`, want, () => titles(who))
}

async function folder(): Promise<string> {
  const path = await mkdtemp(join(tmpdir(), 'halley-e2e-'))
  onTestFinished(() => rm(path, { recursive: true, force: true }))
  return path
}

test('a page is made and named, and others see that live, in the list and on the page', async ({ stage }) => {
  const [mira, jonas, third] = await Promise.all([
    stage.person('Mira'),
    stage.person('Jonas'),
    stage.person('Third'),
  ])
  await Promise.all([mira.page.goto(stage.server.url), jonas.page.goto(stage.server.url)])
  await mira.reads('No pages yet')
  await jonas.reads('No pages yet')

  await mira.clicks('New page')
  await mira.ready()
  await sees(jonas, 'Untitled')
  // The caret is in the title of a new page, and Enter leads into its text.
  await mira.types('Minutes')
  await mira.presses('Enter')
  await mira.types('We met.')
  await sees(jonas, 'Minutes')
  await jonas.reads('We met.')
  await untilEqual('who is there', 'Here now: Mira', () =>
    jonas.page.$eval('.faces', faces => faces.getAttribute('aria-label')),
  )

  await third.opens(mira.page.url())
  const title = (who: Person) => who.page.$eval('h1 textarea', field => (field as HTMLTextAreaElement).value)
  expect(await title(third)).toBe('Minutes')
  await mira.page.click('h1 textarea')
  await mira.presses('End')
  await mira.types(' of May')
  await untilEqual('the title on the other’s page', 'Minutes of May', () => title(third))
  await sees(jonas, 'Minutes of May')
  await until(
    'the title of the tab',
    async () => (await third.page.title()) === 'Minutes of May — Halley' || undefined,
  )

  await jonas.chooses('More for “Minutes of May”', 'Rename…')
  await jonas.page.waitForSelector('dialog input:focus')
  await jonas.types('Notes')
  await jonas.presses('Enter')
  await untilEqual('the title after it was renamed in the list', 'Notes', () => title(mira))
})

test('titles and text are searched', async ({ stage }) => {
  await stage.program.create({ title: 'Apples', delta: [{ insert: 'red and round\n' }] })
  await stage.program.create({ title: 'Pears', delta: [{ insert: 'green, and no apple\n' }] })
  await stage.program.create({ title: 'Plums', delta: [{ insert: 'blue\n' }] })
  const mira = await stage.person('Mira')
  await mira.page.goto(stage.server.url)
  await sees(mira, 'Plums', 'Pears', 'Apples')
  await mira.presses('/')
  await mira.types('apple')
  await sees(mira, 'Pears', 'Apples')
  await mira.types('x')
  await mira.reads('No page has “applex” in its title or text.')
  await mira.presses('Escape')
  await sees(mira, 'Plums', 'Pears', 'Apples')
})

test('a page goes to the trash and comes back, by the toast and from the trash', async ({ stage }) => {
  await stage.program.create({ title: 'Keep' })
  await stage.program.create({ title: 'Throw' })
  const [mira, jonas] = await Promise.all([stage.person('Mira'), stage.person('Jonas')])
  await Promise.all([mira.page.goto(stage.server.url), jonas.page.goto(stage.server.url)])
  await sees(jonas, 'Throw', 'Keep')

  await mira.chooses('More for “Throw”', 'Move to trash')
  await sees(mira, 'Keep')
  await sees(jonas, 'Keep')
  await mira.clicks('Undo')
  await untilEqual('the page is back', ['Keep', 'Throw'], async () => (await titles(jonas)).sort())

  await mira.chooses('More for “Throw”', 'Move to trash')
  await sees(mira, 'Keep')
  await mira.page.click('footer a')
  await mira.reads('Moved here')
  await sees(mira, 'Throw')
  await mira.clicks('Put back')
  await mira.reads('The trash is empty')
  await mira.page.goBack()
  await untilEqual('both are back', ['Keep', 'Throw'], async () => (await titles(mira)).sort())
})

test('a long list comes in parts as one reads on', async ({ stage }) => {
  const TITLES = Array.from({ length: 130 }, (_, i) => `Page ${130 - i}`)
  for (const title of [...TITLES].reverse()) await stage.program.create({ title })
  const mira = await stage.person('Mira')
  await mira.page.goto(stage.server.url)
  await mira.reads('Page 130')
  await until('the whole list is there', async () => {
    await mira.page.evaluate(() => scrollTo(0, document.body.scrollHeight))
    return (await titles(mira)).length >= TITLES.length || undefined
  })
  expect(await titles(mira)).toEqual(TITLES)
})

test('a file that is dropped on the list becomes a page, and what it lost is said', async ({ stage }) => {
  const dir = await folder()
  const file = join(dir, 'Trip.md')
  await writeFile(file, '# To the sea\n\nWe *go*.\n\n<script>alert(1)</script>\n\n- [ ] pack\n')
  await writeFile(join(dir, 'Song.mp3'), 'la la la')
  const mira = await stage.person('Mira')
  await mira.page.goto(stage.server.url)
  await mira.reads('No pages yet')

  const cdp = await mira.page.createCDPSession()
  const data = { items: [], files: [file, join(dir, 'Song.mp3')], dragOperationsMask: 1 }
  await cdp.send('Input.dispatchDragEvent', { type: 'dragEnter', x: 400, y: 400, data })
  await mira.reads('Drop the files to make pages of them')
  await cdp.send('Input.dispatchDragEvent', { type: 'dragOver', x: 400, y: 400, data })
  await cdp.send('Input.dispatchDragEvent', { type: 'drop', x: 400, y: 400, data })

  await mira.reads('2 of 2 files')
  await mira.reads("What this file had that Halley can't keep")
  await mira.reads('Scripts and embedded programs were left out.')
  await mira.reads('Halley cannot read this kind of file.')
  await mira.clicks('Open')
  await mira.ready()
  await mira.sees('We go.')
  expect(await mira.text()).not.toContain('alert')
  const { delta } = (await (
    await stage.program.call(new URL(mira.page.url()).pathname.replace('/p', '/api/pages'))
  ).json()) as {
    delta: { insert: string; attributes?: object }[]
  }
  expect(delta).toContainEqual({ insert: 'go', attributes: { italic: true } })
})

test('the menu of a page saves it as a file in each format', async ({ stage }) => {
  const dir = await folder()
  const page = await stage.program.create({
    title: 'Export me',
    delta: [
      { insert: 'Loud', attributes: { bold: true } },
      { insert: ' and ' },
      { insert: 'underlined', attributes: { underline: true } },
      { insert: '\n' },
    ],
  })
  const mira = await stage.person('Mira')
  const cdp = await mira.page.createCDPSession()
  await cdp.send('Browser.setDownloadBehavior', {
    behavior: 'allow',
    downloadPath: dir,
    browserContextId: mira.context.id!,
  })
  await mira.opens(stage.at(page))
  const saved = async (name: string) => {
    await until(`${name} is saved`, async () => (await readdir(dir)).includes(name) || undefined)
    return readFile(join(dir, name), 'utf8')
  }
  await mira.chooses('Page menu', 'Markdown')
  expect(await saved('Export me.md')).toContain('**Loud** and ')
  await mira.chooses('Page menu', 'HTML')
  expect(await saved('Export me.html')).toMatch(/<strong>Loud<\/strong> and <u>underlined<\/u>/)
  await mira.chooses('Page menu', 'Plain text')
  expect(await saved('Export me.txt')).toContain('Loud and underlined')
  await mira.reads(/What Plain text can't keep|Saved as/)
})

test('what a page shows is what was written, after it is opened anew', async ({ stage }) => {
  const page = await stage.write('')
  const mira = await stage.person('Mira')
  await mira.opens(stage.at(page))
  await mira.goesToEnd()
  await mira.types('# Title\n- one\n[x] two\n\n> said\n')
  const before = await stage.agree(page, mira)
  await mira.page.reload()
  await mira.ready()
  expect(await mira.content()).toEqual(before)
  expect(textOf(before)).toContain('Title\none\n')
})
