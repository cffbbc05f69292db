/** Many tabs of one browser, over HTTP/1.1: all are live over one line, whatever becomes of the one that holds it. */
import { describe, expect } from 'vitest'
import type { BrowserName } from './src/browsers'
import { until, untilEqual } from './src/patience'
import type { Person } from './src/person'
import type { PageObject } from './src/program'
import { type Stage, test } from './src/stage'
import type { Wire } from './src/wire'

/** As many tabs of Quill's, one after the other, with a page open over a wire that counts the streams. */
async function tabs(
  stage: Stage,
  page: PageObject,
  browser: BrowserName,
  count: number,
  prepare: (tab: Person) => Promise<unknown> = async () => {},
): Promise<[Wire, Person[]]> {
  const wire = await stage.wire()
  const all = [await stage.person('Quill', browser)]
  while (all.length < count) all.push(await stage.tab(all[0]!))
  for (const tab of all) {
    await prepare(tab)
    await tab.opens(stage.at(page, wire))
  }
  await oneStream(wire)
  return [wire, all]
}

const oneStream = (wire: Wire) => untilEqual('streams that are open', 1, () => wire.streams)

/** A program writes; everybody in these tabs sees it. */
async function written(stage: Stage, page: PageObject, text: string, seenIn: Person[]): Promise<void> {
  await stage.program.edit(page.id, [{ insert: text }])
  for (const tab of seenIn) await tab.sees(text)
}

/** Somebody else sees her as one person, however many tabs she has open. */
async function seenAsOne(stage: Stage, page: PageObject): Promise<void> {
  const ink = await stage.person('Ink')
  await ink.opens(stage.at(page))
  await ink.clicks('2 people here')
  await ink.reads('Quill')
}

describe.each<BrowserName>(['chromium', 'firefox'])('%s', browser => {
  test('ten tabs are live over one stream, and an eleventh page does not wait', async ({ stage }) => {
    const page = await stage.write('Start.')
    const [wire, all] = await tabs(stage, page, browser, 10)
    await written(stage, page, 'Seen by ten. ', all)
    const eleventh = await stage.tab(all[0]!)
    await eleventh.opens(stage.at(page, wire))
    await eleventh.goesToEnd()
    await eleventh.types(' Written in one.')
    for (const tab of all) await tab.sees('Written in one.')
    await oneStream(wire)
    await seenAsOne(stage, page)
  })

  // Nothing in this differs between browsers.
  test.skipIf(browser === 'firefox')('different pages and the list share the stream', async ({ stage }) => {
    const [one, two] = [await stage.write('One.'), await stage.write('Two.')]
    const [wire, [first]] = await tabs(stage, one, browser, 1)
    const second = await stage.tab(first!)
    await second.opens(stage.at(two, wire))
    const list = await stage.tab(first!)
    await list.page.goto(wire.url)
    await list.reads('One.')
    await written(stage, one, 'First ', [first!])
    await written(stage, two, 'Second ', [second])
    await list.reads('First One.')
    await list.reads('Second Two.')
    await stage.program.create({ title: 'A third page' })
    await list.reads('A third page')
    await oneStream(wire)
  })

  test('when the tab that leads is closed another leads', async ({ stage }) => {
    const page = await stage.write('Start.')
    const [wire, all] = await tabs(stage, page, browser, 3)
    await all[0]!.page.close()
    await written(stage, page, 'After the first. ', all.slice(1))
    await all[1]!.page.close()
    await written(stage, page, 'After the second. ', all.slice(2))
    await oneStream(wire)
  })

  test('a tab that was left comes back as it was, and others lead meanwhile', async ({ stage }) => {
    const page = await stage.write('Start.')
    const [wire, [first, second]] = await tabs(stage, page, browser, 2)
    await first!.page.evaluate(() => {
      document.documentElement.dataset.kept = 'yes'
    })
    await first!.page.goto(`${stage.server.url}/healthz`)
    await written(stage, page, 'While away. ', [second!])
    await oneStream(wire)
    await first!.page.goBack()
    await first!.sees('While away.')
    await first!.ready()
    const kept = await first!.page.evaluate(() => document.documentElement.dataset.kept)
    if (browser === 'chromium') expect(kept, 'came from the back/forward cache').toBe('yes')
    await written(stage, page, 'Back again. ', [first!, second!])
    await oneStream(wire)
  })

  test('without locks, as on an insecure origin, they agree by talk', async ({ stage }) => {
    const page = await stage.write('Start.')
    const withoutLocks = (tab: Person) =>
      tab.page.evaluateOnNewDocument(() => {
        Reflect.deleteProperty(Navigator.prototype, 'locks')
      })
    const [wire, all] = await tabs(stage, page, browser, 7, withoutLocks)
    expect(await all[0]!.page.evaluate(() => 'locks' in navigator)).toBe(false)
    await written(stage, page, 'Seen by seven. ', all)
    await all[0]!.page.close()
    await written(stage, page, 'Seen by six. ', all.slice(1))
    await oneStream(wire)
  })

  test('who signs out in one tab is signed out in all', async ({ stage }) => {
    const page = await stage.write('Start.')
    const [, all] = await tabs(stage, page, browser, 3)
    await all[2]!.page.evaluate(() => fetch('/api/session', { method: 'DELETE' }))
    for (const tab of all) {
      await tab.status('ended')
      await tab.reads('You are signed out')
    }
  })
})

test('when the tab that leads is frozen another leads, and it gets what it missed when it thaws', async ({
  stage,
}) => {
  const page = await stage.write('Start.')
  const [wire, all] = await tabs(stage, page, 'chromium', 3)
  const session = await all[0]!.page.createCDPSession()
  await session.send('Page.setWebLifecycleState', { state: 'frozen' })
  await written(stage, page, 'While frozen. ', all.slice(1))
  await oneStream(wire)
  await session.send('Page.setWebLifecycleState', { state: 'active' })
  await written(stage, page, 'Thawed. ', all)
  expect(await all[0]!.text()).toBe('Thawed. While frozen. Start.\n')
  await oneStream(wire)
})

test('when the tab that leads hangs without a word another takes its place', async ({ stage }) => {
  const page = await stage.write('Start.')
  const [wire, all] = await tabs(stage, page, 'chromium', 3)
  const session = await all[0]!.page.createCDPSession()
  await session.send('Debugger.enable')
  await session.send('Debugger.pause')
  void all[0]!.page.evaluate(() => 'this is where it stops')
  const before = wire.streamed
  await written(stage, page, 'While it hangs. ', all.slice(1))
  await until('another has opened a stream', () => wire.streamed > before || undefined)
  await session.send('Debugger.disable')
  await written(stage, page, 'It goes on. ', all)
  await oneStream(wire)
})

test('behind a proxy that holds answers back two people write together by polling', async ({ stage }) => {
  const page = await stage.write('Start.')
  const proxy = await stage.holdingProxy()
  const [quill, ink] = [await stage.person('Quill'), await stage.person('Ink')]
  await Promise.all([quill, ink].map(who => who.opens(stage.at(page, proxy))))
  expect(proxy.asked).toContain('text/event-stream')
  expect(proxy.asked).toContain('application/json')
  await quill.goesToEnd()
  await quill.types(' From her.')
  await ink.sees('From her.')
  await ink.goesToStart()
  await ink.types('From him. ')
  expect(await stage.agree(page, quill, ink)).toEqual([
    { insert: 'From him. Start. From her.' },
    { insert: '\n' },
  ])
  await until('each sees the cursor of the other', async () => {
    const seen = [await quill.cursors(), await ink.cursors()]
    return `${seen}` === 'Ink,Quill' || undefined
  })
})
