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
  const [quill, ink, third] = await Promise.all([
    stage.person('Quill'),
    stage.person('Ink'),
    stage.person('Third'),
  ])
  await Promise.all([quill.page.goto(stage.server.url), ink.page.goto(stage.server.url)])
  await quill.reads('No pages yet')
  await ink.reads('No pages yet')

  await quill.clicks('New page')
  await quill.ready()
  await sees(ink, 'Untitled')
  // The caret is in the title of a new page, and Enter leads into its text.
  await quill.types('Minutes')
  await quill.presses('Enter')
  await quill.types('We met.')
  await sees(ink, 'Minutes')
  await ink.reads('We met.')
  await untilEqual('who is there', 'Here now: Quill', () =>
    ink.page.$eval('.faces', faces => faces.getAttribute('aria-label')),
  )

  await third.opens(quill.page.url())
  const title = (who: Person) => who.page.$eval('h1 textarea', field => (field as HTMLTextAreaElement).value)
  expect(await title(third)).toBe('Minutes')
  await quill.page.click('h1 textarea')
  await quill.presses('End')
  await quill.types(' of May')
  await untilEqual('the title on the other’s page', 'Minutes of May', () => title(third))
  await sees(ink, 'Minutes of May')
  await until(
    'the title of the tab',
    async () => (await third.page.title()) === 'Minutes of May — Halley' || undefined,
  )

  await ink.chooses('More for “Minutes of May”', 'Rename…')
  await ink.page.waitForSelector('dialog input:focus')
  await ink.types('Notes')
  await ink.presses('Enter')
  await untilEqual('the title after it was renamed in the list', 'Notes', () => title(quill))
})

test('titles and text are searched', async ({ stage }) => {
  await stage.program.create({ title: 'Apples', delta: [{ insert: 'red and round\n' }] })
  await stage.program.create({ title: 'Pears', delta: [{ insert: 'green, and no apple\n' }] })
  await stage.program.create({ title: 'Plums', delta: [{ insert: 'blue\n' }] })
  const quill = await stage.person('Quill')
  await quill.page.goto(stage.server.url)
  await sees(quill, 'Plums', 'Pears', 'Apples')
  await quill.presses('/')
  await quill.types('apple')
  await sees(quill, 'Pears', 'Apples')
  await quill.types('x')
  await quill.reads('No page has “applex” in its title or text.')
  await quill.presses('Escape')
  await sees(quill, 'Plums', 'Pears', 'Apples')
})

test('a page goes to the trash and comes back, by the toast and from the trash', async ({ stage }) => {
  await stage.program.create({ title: 'Keep' })
  await stage.program.create({ title: 'Throw' })
  const [quill, ink] = await Promise.all([stage.person('Quill'), stage.person('Ink')])
  await Promise.all([quill.page.goto(stage.server.url), ink.page.goto(stage.server.url)])
  await sees(ink, 'Throw', 'Keep')

  await quill.chooses('More for “Throw”', 'Move to trash')
  await sees(quill, 'Keep')
  await sees(ink, 'Keep')
  await quill.clicks('Undo')
  await untilEqual('the page is back', ['Keep', 'Throw'], async () => (await titles(ink)).sort())

  await quill.chooses('More for “Throw”', 'Move to trash')
  await sees(quill, 'Keep')
  await quill.page.click('footer a')
  await quill.reads('Moved here')
  await sees(quill, 'Throw')
  await quill.clicks('Put back')
  await quill.reads('The trash is empty')
  await quill.page.goBack()
  await untilEqual('both are back', ['Keep', 'Throw'], async () => (await titles(quill)).sort())
})

test('a long list comes in parts as one reads on', async ({ stage }) => {
  const TITLES = Array.from({ length: 130 }, (_, i) => `Page ${130 - i}`)
  for (const title of [...TITLES].reverse()) await stage.program.create({ title })
  const quill = await stage.person('Quill')
  await quill.page.goto(stage.server.url)
  await quill.reads('Page 130')
  await until('the whole list is there', async () => {
    await quill.page.evaluate(() => scrollTo(0, document.body.scrollHeight))
    return (await titles(quill)).length >= TITLES.length || undefined
  })
  expect(await titles(quill)).toEqual(TITLES)
})

test('a file that is dropped on the list becomes a page, and what it lost is said', async ({ stage }) => {
  const dir = await folder()
  const file = join(dir, 'Trip.md')
  await writeFile(file, '# To the sea\n\nWe *go*.\n\n<script>alert(1)</script>\n\n- [ ] pack\n')
  await writeFile(join(dir, 'Song.mp3'), 'la la la')
  const quill = await stage.person('Quill')
  await quill.page.goto(stage.server.url)
  await quill.reads('No pages yet')

  const cdp = await quill.page.createCDPSession()
  const data = { items: [], files: [file, join(dir, 'Song.mp3')], dragOperationsMask: 1 }
  await cdp.send('Input.dispatchDragEvent', { type: 'dragEnter', x: 400, y: 400, data })
  await quill.reads('Drop the files to make pages of them')
  await cdp.send('Input.dispatchDragEvent', { type: 'dragOver', x: 400, y: 400, data })
  await cdp.send('Input.dispatchDragEvent', { type: 'drop', x: 400, y: 400, data })

  await quill.reads('2 of 2 files')
  await quill.reads("What this file had that Halley can't keep")
  await quill.reads('Scripts and embedded programs were left out.')
  await quill.reads('Halley cannot read this kind of file.')
  await quill.clicks('Open')
  await quill.ready()
  await quill.sees('We go.')
  expect(await quill.text()).not.toContain('alert')
  const { delta } = (await (
    await stage.program.call(new URL(quill.page.url()).pathname.replace('/p', '/api/pages'))
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
  const quill = await stage.person('Quill')
  const cdp = await quill.page.createCDPSession()
  await cdp.send('Browser.setDownloadBehavior', {
    behavior: 'allow',
    downloadPath: dir,
    browserContextId: quill.context.id!,
  })
  await quill.opens(stage.at(page))
  const saved = async (name: string) => {
    await until(`${name} is saved`, async () => (await readdir(dir)).includes(name) || undefined)
    return readFile(join(dir, name), 'utf8')
  }
  await quill.chooses('Page menu', 'Markdown')
  expect(await saved('Export me.md')).toContain('**Loud** and ')
  await quill.chooses('Page menu', 'HTML')
  expect(await saved('Export me.html')).toMatch(/<strong>Loud<\/strong> and <u>underlined<\/u>/)
  await quill.chooses('Page menu', 'Plain text')
  expect(await saved('Export me.txt')).toContain('Loud and underlined')
  await quill.reads(/What Plain text can't keep|Saved as/)
})

test('what a page shows is what was written, after it is opened anew', async ({ stage }) => {
  const page = await stage.write('')
  const quill = await stage.person('Quill')
  await quill.opens(stage.at(page))
  await quill.goesToEnd()
  await quill.types('# Title\n- one\n[x] two\n\n> said\n')
  const before = await stage.agree(page, quill)
  await quill.page.reload()
  await quill.ready()
  expect(await quill.content()).toEqual(before)
  expect(textOf(before)).toContain('Title\none\n')
})
