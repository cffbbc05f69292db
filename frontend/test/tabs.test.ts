import { describe, expect, it } from 'vitest'
import { Rng, rounds } from './random'
import { Browser, type Tab } from './tabs'
import { TestClock } from './world'

const PAGES = ['ada', 'bea', 'cleo']
const BROWSERS = [
  { hasLocks: true, keepsForFrozen: true },
  { hasLocks: true, keepsForFrozen: false },
  { hasLocks: false, keepsForFrozen: true },
  { hasLocks: false, keepsForFrozen: false },
]

/** How many random lives are played. */
const LIVES = rounds(1200)

const seed = (n: number) => new Rng(n)
const from = (start: number, end: number) => Array.from({ length: end - start }, (_, i) => start + 1 + i)

async function browser(size: number, options = BROWSERS[0]!): Promise<[Browser, TestClock]> {
  const clock = new TestClock()
  const browser = new Browser(clock, seed(1), options)
  for (let i = 0; i < size; i++) {
    browser.open().reads(PAGES[i % PAGES.length]!)
    await clock.pass(5)
  }
  await clock.pass(1000)
  return [browser, clock]
}

const leaderOf = ({ server }: Browser): Tab => [...server.lines][0]!.tab
const readers = ({ tabs }: Browser) => tabs.flatMap(tab => [...tab.readers])

/** Whether everybody has had all that was written, once and in order. */
function expectAll(browser: Browser, where = ''): void {
  for (const reader of readers(browser)) {
    const want = from(reader.start, browser.server.head(reader.page))
    expect(reader.seqs, `${reader.page} ${where}`).toEqual(want)
    expect(reader.open, `${reader.page} is open ${where}`).toBe(true)
  }
}

describe.each(BROWSERS)('tabs of a browser ($hasLocks, $keepsForFrozen)', options => {
  it('share one line, which names all of them', async () => {
    const [all] = await browser(10, options)
    expect(all.server.lines.size).toBe(1)
    const [line] = all.server.lines
    expect(line!.asked.clients.length).toBe(10)
    expect([...line!.asked.positions().keys()].sort()).toEqual(PAGES)
    for (const page of PAGES) all.server.write(page)
    await all.clock.pass(100)
    expectAll(all)
  })

  it('go on at once when the one that leads is closed', async () => {
    const [all, clock] = await browser(4, options)
    leaderOf(all).closes()
    for (const page of PAGES) all.server.write(page)
    await clock.pass(500)
    expect(all.server.lines.size).toBe(1)
    expectAll(all)
  })

  it.each([true, false])('go on when the one that leads is frozen, warned or not (%s)', async warned => {
    const [all, clock] = await browser(4, options)
    const frozen = leaderOf(all)
    frozen.freezes(warned)
    const others = all.tabs.filter(tab => tab !== frozen)
    for (const page of PAGES) all.server.write(page)
    await clock.pass(warned ? 500 : 11_000)
    for (const { readers } of others) for (const { seqs } of readers) expect(seqs).toEqual([1])
    frozen.thaws()
    await clock.pass(11_000)
    expect(all.server.lines.size).toBe(1)
    expectAll(all)
  })

  it('find out at once that their line is dead when something hints at it', async () => {
    const [all, clock] = await browser(3, options)
    const [dead] = all.server.lines
    dead!.dies()
    await clock.pass(3000)
    for (const page of PAGES) all.server.write(page)
    all.tabs.at(-1)!.lines.check(2500)
    await clock.pass(150)
    expect([...all.server.lines], 'another in its place').not.toContain(dead)
    expectAll(all)
  })

  it('say that the line is lost when it is dead and no other can be had', async () => {
    const [all, clock] = await browser(3, options)
    all.server.away = true
    for (const line of all.server.lines) line.dies()
    await clock.pass(3000)
    expect(readers(all).map(({ open }) => open)).toEqual([true, true, true])
    all.tabs.at(-1)!.lines.check(2500)
    await clock.pass(4100)
    expect(readers(all).map(({ open }) => open)).toEqual([false, false, false])
    all.server.away = false
    for (const page of PAGES) all.server.write(page)
    await clock.pass(1000)
    expectAll(all)
  })

  it('leave a line alone on which something was heard just now', async () => {
    const [all, clock] = await browser(3, options)
    const before = [...all.server.lines]
    all.server.write('ada')
    await clock.pass(100)
    all.tabs.at(-1)!.lines.check(2500)
    await clock.pass(1000)
    expect([...all.server.lines]).toEqual(before)
  })

  it('get of the list, too, what was said while they were frozen', async () => {
    const [all, clock] = await browser(2, options)
    const frozen = all.tabs.find(tab => tab !== leaderOf(all))!
    let known = 0
    frozen.lines.followList({
      open: () => {
        known = all.server.listVersion
      },
      change: ({ page }) => {
        known = Number(page.id)
      },
      lost: () => {},
      signedOut: () => {},
    })
    await clock.pass(1000)
    frozen.freezes(false)
    all.server.tellList()
    await clock.pass(1000)
    frozen.thaws()
    await clock.pass(7000)
    expect(known).toBe(1)
  })

  it('are left off the line when they are gone without a word', async () => {
    const [all, clock] = await browser(4, options)
    all.tabs.find(tab => tab !== leaderOf(all))!.crashes()
    await clock.pass(30_000)
    const [line] = all.server.lines
    expect(line!.asked.clients.length).toBe(3)
  })

  it('get every event once and in order, whatever becomes of any of them', async () => {
    for (let n = 1; n <= LIVES; n++) await play(n, options)
  }, 120_000)
})

/** A random life of a few tabs; at the end all of them are awake, and have had everything. */
async function play(n: number, options: (typeof BROWSERS)[number]): Promise<void> {
  const rng = seed(n)
  const clock = new TestClock()
  const all = new Browser(clock, rng, options)
  const lists = new Map<Tab, { known: number; stop: () => void }>()
  const weighted: [number, (tab: Tab) => void][] = [
    [30, () => all.server.write(rng.pick(PAGES))],
    [5, () => all.server.tellList()],
    [6, () => all.tabs.length < 6 && all.open().reads(rng.pick(PAGES))],
    [4, tab => tab.reads(rng.pick(PAGES))],
    [3, tab => [...tab.readers][0]?.leaves()],
    [2, tab => [...tab.readers][0]?.restart()],
    [2, tab => tab.closes()],
    [2, tab => tab.crashes()],
    [3, tab => tab.freezes(rng.chance(0.5))],
    [2, () => all.server.cut()],
    [2, () => all.server.comesOrGoes()],
    [1, () => [...all.server.lines][0]?.dies()],
    [3, tab => followOrLeaveList(tab)],
  ]
  const acts = weighted.flatMap(([weight, act]) => Array.from({ length: weight }, () => act))
  const followOrLeaveList = (tab: Tab) => {
    const known = lists.get(tab)
    known?.stop()
    lists.delete(tab)
    if (known) return
    const list = { known: 0, stop: () => {} }
    list.stop = tab.lines.followList({
      open: () => {
        list.known = all.server.listVersion
      },
      change: ({ page }) => {
        list.known = Number(page.id)
      },
      lost: () => {},
      signedOut: () => {},
    })
    lists.set(tab, list)
  }

  all.open().reads('ada')
  for (let i = 0; i < 80; i++) {
    const awake = all.tabs.filter(tab => !tab.isFrozen)
    const tab = awake.length > 0 ? rng.pick(awake) : all.open()
    rng.pick(acts)(tab)
    if (rng.chance(0.2)) for (const each of all.tabs) each.thaws()
    await clock.pass(rng.chance(0.1) ? rng.int(20_000) : rng.int(200))
  }

  all.server.away = false
  for (const tab of all.tabs) tab.thaws()
  await clock.pass(5000)
  // A line that died without a word is found out by the one that follows it.
  for (const { lines } of all.tabs) lines.check(0)
  await clock.pass(60_000)
  for (const page of PAGES) all.server.write(page)
  await clock.pass(1000)
  const where = `(seed ${n}, ${JSON.stringify(options)})`
  expectAll(all, where)
  for (const [tab, { known }] of lists) {
    if (all.tabs.includes(tab)) expect(known, `the list ${where}`).toBe(all.server.listVersion)
  }
  const busy = readers(all).length > 0 || [...lists.keys()].some(tab => all.tabs.includes(tab))
  expect(all.server.lines.size, `lines ${where}`).toBe(busy ? 1 : 0)
}
