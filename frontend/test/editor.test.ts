// @vitest-environment happy-dom
import { TextSelection } from 'prosemirror-state'
import { afterEach, describe, expect, it, vi } from 'vitest'
import { mountEditor, type PageEditor } from '../src/binding/editor'
import { clampIndex, placeOf } from '../src/binding/mapping'
import { compose, type Delta } from '../src/protocol/delta'
import { openSession, type PageSession } from '../src/protocol/session'
import { read, write } from './page'
import { Rng, randomChange, randomContent, rounds } from './random'
import { newClient, TestClock, TestServer } from './world'

/** Editors of one page, each with a session of its own over the server in memory. */
async function open(sketch: string | Delta, size = 2) {
  const clock = new TestClock()
  const content = typeof sketch === 'string' ? read(sketch).content : sketch
  const server = new TestServer(content)
  const editors: PageEditor[] = []
  const sessions: PageSession[] = []
  for (let i = 0; i < size; i++) {
    const opening = openSession('page', newClient(`c${i}`, server, clock, new Rng(i)))
    await clock.pass(1)
    const session = await opening
    sessions.push(session)
    editors.push(mountEditor(document.body, session) as PageEditor)
  }
  await clock.pass(50)
  const exchange = async () => {
    await clock.pass(100)
    await vi.waitFor(() => {
      for (const editor of editors) expect(editor.contents()).toEqual(server.content)
    })
  }
  return { clock, server, editors, sessions, exchange }
}

function caret(editor: PageEditor, from: number, to = from): void {
  const { state } = editor.view
  const place = (index: number) => placeOf(state.doc, clampIndex(state.doc, index))
  editor.view.dispatch(state.tr.setSelection(TextSelection.create(state.doc, place(from), place(to))))
}

function type(editor: PageEditor, text: string): void {
  for (const char of text) {
    const { state } = editor.view
    const { from, to } = state.selection
    const insertion = () => state.tr.insertText(char, from, to)
    const handled = editor.view.someProp('handleTextInput', handle =>
      handle(editor.view, from, to, char, insertion),
    )
    if (!handled) editor.view.dispatch(insertion())
  }
}

function press(editor: PageEditor, key: string, modifiers: KeyboardEventInit = {}): boolean {
  const event = new KeyboardEvent('keydown', { key, ...modifiers })
  return editor.view.someProp('handleKeyDown', handle => handle(editor.view, event)) === true
}

describe('an editor on a page', () => {
  afterEach(() => document.body.replaceChildren())

  it('sends what is written and shows what others write', async () => {
    const { editors, exchange, server } = await open('hello')
    caret(editors[0]!, 5)
    caret(editors[1]!, 0)
    type(editors[0]!, '!')
    type(editors[1]!, 'Oh, ')
    await exchange()
    expect(write(server.content)).toBe('Oh, hello!')
    expect(editors[0]!.view.dom.textContent).toBe('Oh, hello!')
  })

  it('leaves the caret where it is beside what others insert', async () => {
    const { editors, exchange } = await open('ab')
    caret(editors[0]!, 1)
    caret(editors[1]!, 1)
    type(editors[1]!, 'xyz')
    await exchange()
    expect(editors[0]!.span()).toEqual({ from: 1, to: 1 })
    expect(editors[1]!.span()).toEqual({ from: 4, to: 4 })
  })

  it('undoes one’s own and leaves the others’', async () => {
    const { editors, exchange, server } = await open('')
    type(editors[0]!, 'mine')
    await exchange()
    caret(editors[1]!, 2)
    type(editors[1]!, ' THEIRS ')
    await exchange()
    editors[0]!.run({ name: 'undo' })
    await exchange()
    expect(write(server.content)).toBe(' THEIRS ')
    expect(editors[0]!.formats()).toMatchObject({ canUndo: false, canRedo: true })
    editors[0]!.run({ name: 'redo' })
    await exchange()
    expect(write(server.content)).toBe('mi THEIRS ne')
  })

  it('keeps what was switched on for the next letter while others write', async () => {
    const { editors, exchange, server } = await open('ab')
    caret(editors[0]!, 1)
    editors[0]!.run({ name: 'bold' })
    caret(editors[1]!, 2)
    type(editors[1]!, ' theirs')
    await exchange()
    expect(editors[0]!.formats().bold).toBe(true)
    type(editors[0]!, 'X')
    await exchange()
    expect(server.content[1]).toEqual({ insert: 'X', attributes: { bold: true } })
  })

  it('makes what the shortcuts stand for, and Backspace takes it back', async () => {
    const { editors, exchange, server } = await open('')
    type(editors[0]!, '# Title')
    press(editors[0]!, 'Enter')
    type(editors[0]!, '- a **b** c')
    await exchange()
    expect(write(server.content)).toBe('# Title\n- a **b** c')
    press(editors[0]!, 'Enter')
    press(editors[0]!, 'Enter')
    type(editors[0]!, '> ')
    press(editors[0]!, 'Backspace')
    await exchange()
    expect(write(server.content)).toBe('# Title\n- a **b** c\n> ')
    expect(server.content.at(-1)).toEqual({ insert: '> \n' })
  })

  it('tells the toolbar what is selected', async () => {
    const { editors } = await open('# one\n- **two**')
    caret(editors[0]!, 1)
    expect(editors[0]!.formats()).toMatchObject({ header: 1, list: null, bold: false, selectionEmpty: true })
    caret(editors[0]!, 4, 7)
    expect(editors[0]!.formats()).toMatchObject({
      header: null,
      list: 'bullet',
      bold: true,
      selectionEmpty: false,
    })
    editors[0]!.run({ name: 'bold' })
    editors[0]!.run({ name: 'list', kind: 'check' })
    expect(write(editors[0]!.contents())).toBe('# one\n[_] two')
  })

  it('holds others’ changes while an input method composes', async () => {
    const { editors, clock, exchange, server } = await open('one two')
    caret(editors[0]!, 4)
    editors[0]!.view.dom.dispatchEvent(new Event('compositionstart'))
    type(editors[0]!, 'に')
    type(editors[1]!, 'X')
    await clock.pass(100)
    expect(write(server.content)).toBe('Xone にtwo')
    expect(write(editors[0]!.contents())).toBe('one にtwo')
    type(editors[0]!, 'ほ')
    editors[0]!.view.dom.dispatchEvent(new Event('compositionend'))
    await exchange()
    expect(write(server.content)).toBe('Xone にほtwo')
  })

  it('takes no edits once the page has ended', async () => {
    const { editors, clock, server, sessions } = await open('one', 1)
    for (const line of server.lines) line.event({ type: 'gone', page: 'page', why: 'trashed' })
    await clock.pass(10)
    expect(sessions[0]!.status).toMatchObject({ tag: 'ended', why: 'trashed', unsent: null })
    type(editors[0]!, 'x')
    expect(write(editors[0]!.contents())).toBe('one')
    expect(editors[0]!.view.editable).toBe(false)
  })

  it('lets Tab lead out of the text after Escape, also when others write in between', async () => {
    const { editors, server, exchange } = await open('- one', 1)
    const [editor] = editors
    const presses = (key: string) => {
      const event = new KeyboardEvent('keydown', { key, cancelable: true, bubbles: true })
      editor!.view.focus()
      editor!.view.dom.dispatchEvent(event)
      return event.defaultPrevented
    }
    caret(editor!, 1)
    presses('Escape')
    server.write([{ insert: 'x' }])
    await exchange()
    expect(presses('Tab')).toBe(false)
    expect(write(editor!.contents())).toBe('- xone')
    caret(editor!, 2)
    expect(presses('Tab'), 'something was done here').toBe(true)
    expect(write(editor!.contents())).toBe('  - xone')
  })

  it('gives the text back to the session when it goes', async () => {
    const { editors, sessions, exchange } = await open('one')
    type(editors[0]!, 'x')
    await exchange()
    editors[0]!.destroy()
    const again = mountEditor(document.body, sessions[0]!) as PageEditor
    expect(write(again.contents())).toBe('xone')
  })

  it('draws what its content says, whatever changes', async () => {
    for (let seed = 1; seed <= rounds(300); seed++) {
      const rng = new Rng(seed)
      const { editors, server, clock } = await open(randomContent(rng, 8, 0.2), 1)
      const [editor] = editors
      for (let i = 0; i < 5; i++) {
        server.write(randomChange(rng, server.content, 3, 0.2))
        await clock.pass(5)
        editor!.flush()
      }
      const fresh = (await open(server.content, 1)).editors[0]!
      expect(shape(editor!), `seed ${seed}`).toBe(shape(fresh))
      document.body.replaceChildren()
    }
  })
})

/** What is drawn, without the order of attributes, the places in lists, and helpers for the caret. */
function shape(editor: PageEditor): string {
  const of = (node: Node): string => {
    if (!(node instanceof Element)) return node.nodeValue ?? ''
    if (/ProseMirror/.test(node.className)) return ''
    // Where an item stands in its list is said later, and ids are new each time.
    const passing = /^(aria-(level|posinset|setsize|labelledby)|id)$/
    const names = node.getAttributeNames().filter(name => !passing.test(name))
    const attributes = names.toSorted().map(name => `${name}=${node.getAttribute(name)}`)
    return `<${node.tagName} ${attributes.join(' ')}>${Array.from(node.childNodes, of).join('')}</>`
  }
  return Array.from(editor.view.dom.childNodes, of).join('\n')
}

describe('sketches', () => {
  it('read and write the same', () => {
    const sketch = '# a\n  - **b** c\n[x] d\n`e\n---\n> f'
    expect(write(read(sketch).content)).toBe(sketch)
    expect(compose(read(sketch).content, [])).toEqual(read(sketch).content)
  })
})
