/** Who is there, what ends a line, and pages that cannot be opened. */
import { expect } from 'vitest'
import { textOf } from './src/delta'
import { until } from './src/patience'
import { test } from './src/stage'

test('somebody gives a name, and is known by it after the browser was closed and the server restarted', async ({
  stage,
}) => {
  const quill = await stage.stranger('Quill')
  await quill.page.goto(stage.server.url)
  await quill.page.waitForSelector('#name:focus')
  await quill.presses('Enter')
  await quill.reads('Please give a name')
  await quill.types('Quill')
  await quill.presses('Enter')
  await quill.reads('No pages yet')
  await stage.server.kill()
  await stage.server.begin()
  await quill.page.reload()
  await quill.reads('No pages yet')
  await quill.clicks('Signed in as Quill')
  await quill.reads('Signed in as Quill')
})

test('a shared link asks a stranger for a name, and then leads to its page', async ({ stage }) => {
  const page = await stage.write('Come in.')
  const quill = await stage.stranger('Quill')
  await quill.page.goto(stage.at(page))
  await quill.reads('What should others call you?')
  await quill.page.waitForSelector('#name:focus')
  await quill.types('Quill')
  await quill.presses('Enter')
  await quill.ready()
  await quill.sees('Come in.')
})

test('signing out in one tab ends the line of the other', async ({ stage }) => {
  const page = await stage.write('Here.')
  const quill = await stage.person('Quill')
  await quill.opens(stage.at(page))
  const other = await quill.context.newPage()
  await other.goto(stage.server.url)
  await other.locator('::-p-aria([name="Signed in as Quill"])').click()
  await other.locator('[role=menu] ::-p-aria([name="Sign out"])').click()
  await quill.reads('You are signed out')
  expect((await quill.status('ended')).text).toBe('Signed out')
  await quill.clicks('Sign in')
  await quill.reads('What should others call you?')
})

test('a page that goes to the trash while it is open says so, keeps what was unsent, and comes back', async ({
  stage,
}) => {
  const page = await stage.write('Text.')
  const wire = await stage.wire()
  const [quill, ink] = await stage.two(page, { quill: wire })
  await quill.goesToEnd()
  wire.cut()
  await quill.status('reconnecting', 'offline')
  await quill.types(' Unsent words.')
  await stage.program.trash(page.id)
  await ink.reads('This page is in the trash')
  wire.mend()
  await quill.reads('This page is in the trash')
  await quill.reads('Part of what you wrote has not reached the server.')
  expect(await quill.text(), 'it is still on the screen').toContain('Unsent words.')
  await quill.context.overridePermissions(wire.url, ['clipboard-read', 'clipboard-write'])
  await quill.clicks('Copy the text')
  await quill.reads('Text copied')
  expect(await quill.page.evaluate(() => navigator.clipboard.readText())).toContain('Text. Unsent words.')

  await ink.clicks('Put back')
  await ink.ready()
  await ink.goesToEnd()
  await ink.types(' Back.')
  expect(textOf(await stage.agree(page, ink))).toBe('Text. Back.\n')
})

test('pages that are not there, or in the trash, or have no address, say so', async ({ stage }) => {
  const page = await stage.write('Thrown away.')
  await stage.program.trash(page.id)
  const quill = await stage.person('Quill')
  await quill.page.goto(`${stage.server.url}/p/AAAAAAAAAAAAAAAAAAAAAA`)
  await quill.reads('There is no page here')
  await quill.page.goto(stage.at(page))
  await quill.reads('This page is in the trash')
  await quill.clicks('Put back')
  await quill.ready()
  await quill.sees('Thrown away.')
})

test('where the server cannot be reached at the start, the page opens once it can', async ({ stage }) => {
  const page = await stage.write('At last.')
  const quill = await stage.person('Quill')
  await quill.page.goto(stage.server.url)
  await quill.reads('New page')
  await stage.server.kill()
  await quill.page.evaluate(address => {
    history.pushState(null, '', address)
    dispatchEvent(new PopStateEvent('popstate'))
  }, `/p/${page.id}`)
  await quill.reads('Halley cannot be reached')
  await stage.server.begin()
  await quill.clicks('Try again')
  await quill.ready()
  await quill.sees('At last.')
})

test('closing a tab with unsent words is asked about, and not when all is saved', async ({ stage }) => {
  const page = await stage.write('Text.')
  const wire = await stage.wire()
  const quill = await stage.person('Quill')
  await quill.opens(stage.at(page, wire))
  await quill.goesToEnd()
  let asked = 0
  quill.page.on('dialog', dialog => {
    asked++
    void dialog.dismiss()
  })
  wire.cut()
  await quill.status('reconnecting', 'offline')
  await quill.types(' Words.')
  await quill.page.close({ runBeforeUnload: true })
  await until('the browser asks', () => asked === 1 || undefined)
  wire.mend()
  await quill.status('saved')
  const closed = new Promise(resolve => quill.page.once('close', resolve))
  await quill.page.close({ runBeforeUnload: true })
  await closed
  expect(asked).toBe(1)
})
