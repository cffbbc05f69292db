/** Who is there, what ends a line, and pages that cannot be opened. */
import { expect } from 'vitest'
import { textOf } from './src/delta'
import { until } from './src/patience'
import { test } from './src/stage'

test('somebody gives a name, and is known by it after the browser was closed and the server restarted', async ({
  stage,
}) => {
  const mira = await stage.stranger('Mira')
  await mira.page.goto(stage.server.url)
  await mira.page.waitForSelector('#name:focus')
  await mira.presses('Enter')
  await mira.reads('Please give a name')
  await mira.types('Mira')
  await mira.presses('Enter')
  await mira.reads('No pages yet')
  await stage.server.kill()
  await stage.server.begin()
  await mira.page.reload()
  await mira.reads('No pages yet')
  await mira.clicks('Signed in as Mira')
  await mira.reads('Signed in as Mira')
})

test('a shared link asks a stranger for a name, and then leads to its page', async ({ stage }) => {
  const page = await stage.write('Come in.')
  const mira = await stage.stranger('Mira')
  await mira.page.goto(stage.at(page))
  await mira.reads('What should others call you?')
  await mira.page.waitForSelector('#name:focus')
  await mira.types('Mira')
  await mira.presses('Enter')
  await mira.ready()
  await mira.sees('Come in.')
})

test('signing out in one tab ends the line of the other', async ({ stage }) => {
  const page = await stage.write('Here.')
  const mira = await stage.person('Mira')
  await mira.opens(stage.at(page))
  const other = await mira.context.newPage()
  await other.goto(stage.server.url)
  await other.locator('::-p-aria([name="Signed in as Mira"])').click()
  await other.locator('[role=menu] ::-p-aria([name="Sign out"])').click()
  await mira.reads('You are signed out')
  expect((await mira.status('ended')).text).toBe('Signed out')
  await mira.clicks('Sign in')
  await mira.reads('What should others call you?')
})

test('a page that goes to the trash while it is open says so, keeps what was unsent, and comes back', async ({
  stage,
}) => {
  const page = await stage.write('Text.')
  const wire = await stage.wire()
  const [mira, jonas] = await stage.two(page, { mira: wire })
  await mira.goesToEnd()
  wire.cut()
  await mira.status('reconnecting', 'offline')
  await mira.types(' Unsent words.')
  await stage.program.trash(page.id)
  await jonas.reads('This page is in the trash')
  wire.mend()
  await mira.reads('This page is in the trash')
  await mira.reads('Part of what you wrote has not reached the server.')
  expect(await mira.text(), 'it is still on the screen').toContain('Unsent words.')
  await mira.context.overridePermissions(wire.url, ['clipboard-read', 'clipboard-write'])
  await mira.clicks('Copy the text')
  await mira.reads('Text copied')
  expect(await mira.page.evaluate(() => navigator.clipboard.readText())).toContain('Text. Unsent words.')

  await jonas.clicks('Put back')
  await jonas.ready()
  await jonas.goesToEnd()
  await jonas.types(' Back.')
  expect(textOf(await stage.agree(page, jonas))).toBe('Text. Back.\n')
})

test('pages that are not there, or in the trash, or have no address, say so', async ({ stage }) => {
  const page = await stage.write('Thrown away.')
  await stage.program.trash(page.id)
  const mira = await stage.person('Mira')
  await mira.page.goto(`${stage.server.url}/p/AAAAAAAAAAAAAAAAAAAAAA`)
  await mira.reads('There is no page here')
  await mira.page.goto(stage.at(page))
  await mira.reads('This page is in the trash')
  await mira.clicks('Put back')
  await mira.ready()
  await mira.sees('Thrown away.')
})

test('where the server cannot be reached at the start, the page opens once it can', async ({ stage }) => {
  const page = await stage.write('At last.')
  const mira = await stage.person('Mira')
  await mira.page.goto(stage.server.url)
  await mira.reads('New page')
  await stage.server.kill()
  await mira.page.evaluate(address => {
    history.pushState(null, '', address)
    dispatchEvent(new PopStateEvent('popstate'))
  }, `/p/${page.id}`)
  await mira.reads('Halley cannot be reached')
  await stage.server.begin()
  await mira.clicks('Try again')
  await mira.ready()
  await mira.sees('At last.')
})

test('closing a tab with unsent words is asked about, and not when all is saved', async ({ stage }) => {
  const page = await stage.write('Text.')
  const wire = await stage.wire()
  const mira = await stage.person('Mira')
  await mira.opens(stage.at(page, wire))
  await mira.goesToEnd()
  let asked = 0
  mira.page.on('dialog', dialog => {
    asked++
    void dialog.dismiss()
  })
  wire.cut()
  await mira.status('reconnecting', 'offline')
  await mira.types(' Words.')
  await mira.page.close({ runBeforeUnload: true })
  await until('the browser asks', () => asked === 1 || undefined)
  wire.mend()
  await mira.status('saved')
  const closed = new Promise(resolve => mira.page.once('close', resolve))
  await mira.page.close({ runBeforeUnload: true })
  await closed
  expect(asked).toBe(1)
})
