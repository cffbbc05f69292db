import { EditorState } from 'prosemirror-state'
import { describe, expect, it } from 'vitest'
import { applyDelta } from '../src/binding/apply'
import type { SurfaceEdit } from '../src/binding/draft'
import {
  clear,
  indent,
  setHeader,
  setLink,
  setList,
  toggleCheck,
  toggleCode,
  toggleQuote,
  toggleText,
} from '../src/binding/formatting'
import { contentOf, docOf } from '../src/binding/mapping'
import { fenceShortcut, shortcut } from '../src/binding/shortcuts'
import {
  backspace,
  deleteForward,
  divider,
  enter,
  paste,
  plainInserts,
  remove,
  softEnter,
} from '../src/binding/writing'
import { compose, type Delta, insertOp } from '../src/protocol/delta'
import { read, write } from './page'

type Do = (page: ReturnType<typeof read>) => SurfaceEdit | null

/** What a page reads as after an edit; '' where there was none to make. */
function result(sketch: string, edit: Do): string {
  const page = read(sketch)
  const made = edit(page)
  if (!made) return ''
  const content = compose(page.content, made.delta)
  // The document goes the same way, and stays what its content says.
  const { doc } = applyDelta(EditorState.create({ doc: page.doc }).tr, made.delta)
  expect(doc.toJSON()).toEqual(docOf(content).toJSON())
  return write(contentOf(doc), made.caret)
}

function table(edit: Do, rows: [string, string, string][]): void {
  it.each(rows)('%s', (_, before, want) => {
    expect(result(before, edit)).toBe(want)
  })
}

describe('Enter', () => {
  table(
    ({ doc, span }) => enter(doc, span),
    [
      ['splits a line', 'one| two', 'one\n| two'],
      ['goes on with a list', '- one|', '- one\n- |'],
      ['keeps the indent', '  1. one|', '  1. one\n  1. |'],
      ['begins a check item unchecked', '[x] one|', '[x] one\n[_] |'],
      ['moves an empty nested item out', '  - |', '- '],
      ['leaves a list on an empty item', '- one\n- |', '- one\n'],
      ['goes on plainly after a heading', '# one|', '# one\n|'],
      ['splits a heading in two', '# one| two', '# one\n# | two'],
      ['pushes a heading down', '# |one', '\n# |one'],
      ['leaves a quote on an empty line', '> one\n> |', '> one\n'],
      ['goes on with code, and its indent', '`\tx|', '`\tx\n`\t|'],
      ['stays in code on an empty line within', '`a\n`|\n`b', '`a\n`\n`|\n`b'],
      ['leaves code on an empty last line', '`a\n`|\nplain', '`a\n\nplain'],
      ['replaces what is selected', '- o«ne\n- tw»o', '- o\n- |o'],
    ],
  )
})

describe('Shift-Enter', () => {
  table(
    ({ doc, span }) => softEnter(doc, span),
    [
      ['begins no new item', '- one| two', '- one\n| two'],
      ['stays in code', '`a|', '`a\n`|'],
      ['is Enter elsewhere', 'a|b', 'a\n|b'],
    ],
  )
})

describe('Backspace at the start of a line', () => {
  table(
    ({ doc, span }) => backspace(doc, span.from),
    [
      ['is the editor’s own elsewhere', 'ab|', ''],
      ['takes the list away first', '  - |one', '  one'],
      ['then the indent', '  |one', 'one'],
      ['takes a heading away', 'a\n# |one', 'a\none'],
      ['takes code away at its first line', 'a\n`|x', 'a\nx'],
      ['is the editor’s own within code', '`a\n`|x', ''],
      ['joins two lines, as the first one was', '# one\n|two', '# one|two'],
      ['drops an empty line above', '# \n|two', 'two'],
      ['drops a divider above', 'a\n---\n|two', 'a\ntwo'],
      ['does nothing at the very start', '|one', 'one'],
    ],
  )
})

describe('Delete at the end of a line', () => {
  table(
    ({ doc, span }) => deleteForward(doc, span.from),
    [
      ['is the editor’s own elsewhere', 'a|b', ''],
      ['joins two lines, as the first one was', '# one|\n- two', '# one|two'],
      ['drops an empty line', '|\n- two', '- two'],
      ['drops a divider below', 'a|\n---\nb', 'a\nb'],
      ['does nothing at the very end', 'a|', 'a'],
    ],
  )
})

describe('removing', () => {
  table(
    ({ doc, span }) => remove(doc, span),
    [
      ['a word', 'one «two» three', 'one | three'],
      ['across lines leaves the first as it was', '# o«ne\n- tw»o', '# o|o'],
      ['from a line into code', 'o«ne\n`two\n`th»ree\n`four', 'o|ree\n`four'],
      ['from code into a line', '`one\n`t«wo\nth»ree', '`one\n`t|ree'],
    ],
  )
})

describe('formats of lines', () => {
  const on = (
    edit: (doc: ReturnType<typeof read>['doc'], span: { from: number; to: number }) => SurfaceEdit,
  ): Do => {
    return ({ doc, span }) => edit(doc, span)
  }
  describe('heading', () => {
    table(
      on((doc, span) => setHeader(doc, span, 1)),
      [
        ['is set', 'one|', '# one'],
        ['takes the list and its indent away', '  - one|', '# one'],
        ['is taken off again', '# one|', 'one'],
        ['is set for all where one lacks it', '# o«ne\ntw»o', '# one\n# two'],
        ['leaves a line alone at whose start the selection ends', '«one\n»two', '# one\ntwo'],
        ['takes lines out of code', '`a\n`b|\n`c', '`a\n# b\n`c'],
      ],
    )
  })
  describe('list', () => {
    table(
      on((doc, span) => setList(doc, span, 'check')),
      [
        ['makes check items', 'o«ne\n- tw»o', '[_] one\n[_] two'],
        ['leaves what is checked', '[x] o«ne\ntw»o', '[x] one\n[_] two'],
        ['takes all off where all are', '[x] o«ne\n[_] tw»o', 'one\ntwo'],
      ],
    )
  })
  describe('quote', () => {
    table(on(toggleQuote), [['is set and taken off', 'o«ne\n> tw»o', '> one\n> two']])
  })
  describe('code', () => {
    table(on(toggleCode), [
      ['is set for a run of lines', '# o«ne\ntw»o', '`one\n`two'],
      ['is taken off', '`o«ne\n`tw»o\n`x', 'one\ntwo\n`x'],
    ])
  })
  describe('indent', () => {
    table(
      on((doc, span) => indent(doc, span, 1)),
      [
        ['moves items in', '- o«ne\n  - tw»o', '  - one\n    - two'],
        ['puts a tab before code', '`a|', '`\ta'],
      ],
    )
    table(
      on((doc, span) => indent(doc, span, -1)),
      [
        ['moves out as far as there is', '  - o«ne\n- tw»o', '- one\n- two'],
        ['takes a tab from code', '`\ta|', '`a'],
      ],
    )
  })
  it('check and uncheck', () => {
    expect(result('[_] one|', ({ doc, span }) => toggleCheck(doc, span.from))).toBe('[x] one')
    expect(result('[x] one|', ({ doc, span }) => toggleCheck(doc, span.from))).toBe('[_] one')
    expect(result('- one|', ({ doc, span }) => toggleCheck(doc, span.from))).toBe('')
  })
  it('are cleared, of text too', () => {
    expect(result('- **o«ne**\n# tw»o', ({ doc, span }) => clear(doc, span))).toBe('**o**ne\ntwo')
  })
})

describe('formats of text', () => {
  table(
    ({ doc, span }) => toggleText(doc, span, 'bold'),
    [
      ['are set', 'one «two» three', 'one **two** three'],
      ['are set for all where some lacks them', '«one **two**»', '**one two**'],
      ['are taken off', 'one **«two»**', 'one two'],
      ['leave code alone', '«one\n`two\nthree»', '**one**\n`two\n**three**'],
    ],
  )
})

describe('links', () => {
  const linked = (text: string, link: string): Delta => [insertOp(text, { link }), { insert: '\n' }]
  const doc = docOf(linked('site', 'https://example.org/'))
  it('are set on a selection', () => {
    const { delta } = setLink(docOf([{ insert: 'a b\n' }]), { from: 2, to: 3 }, 'https://example.org/')
    expect(delta).toEqual([{ retain: 2 }, { retain: 1, attributes: { link: 'https://example.org/' } }])
  })
  it('are changed and taken off around a caret', () => {
    for (const index of [0, 2, 4]) {
      expect(setLink(doc, { from: index, to: index }, null).delta, `at ${index}`).toEqual([
        { retain: 4, attributes: { link: null } },
      ])
    }
  })
  it('bring their address where there is no text', () => {
    const { delta, caret } = setLink(docOf([{ insert: '\n' }]), { from: 0, to: 0 }, 'mailto:a@example.org')
    expect(delta).toEqual([{ insert: 'a@example.org', attributes: { link: 'mailto:a@example.org' } }])
    expect(caret).toBe(13)
  })
})

describe('a divider', () => {
  table(
    ({ doc, span }) => divider(doc, span),
    [
      ['takes the place of an empty line', 'a\n|\nb', 'a\n---\n|\nb'],
      ['goes below a line with text', 'a|\nb', 'a\n---\n|\nb'],
    ],
  )
})

describe('pasting', () => {
  const pasting = (sketch: string, cut = 0): Do => {
    return ({ doc, span }) => {
      const content = read(sketch).content
      return paste(doc, span, cut ? content.slice(0, -cut) : content)
    }
  }
  describe('a word', () => {
    table(pasting('**new**', 1), [
      ['puts it in', 'a| b', 'a**new**| b'],
      ['replaces what is selected', 'a« b\n- c»d', 'a**new**|d'],
    ])
  })
  describe('lines', () => {
    table(pasting('# title\n- item'), [
      ['into an empty line keeps what they are', '|', '# title\n- item|'],
      ['into text goes on with the line', 'a|b', 'atitle\nitem|b'],
      ['into code leaves only the text', '`a|b', '`atitle\n`item|b'],
    ])
  })
  describe('plain text', () => {
    table(
      ({ doc, span }) => paste(doc, span, plainInserts(doc, span.from, 'one\r\ntwo', undefined)),
      [
        ['makes items in a list', '- a|', '- aone\n- two|'],
        ['makes lines elsewhere', 'a|b', 'aone\ntwo|b'],
      ],
    )
  })
})

describe('shortcuts of Markdown', () => {
  table(
    ({ doc, span }) => shortcut(doc, span.from),
    [
      ['# and a space', '# |', ''],
      ['- and a space', 'x|', ''],
    ],
  )
  const typed = (text: string, rest = ''): string => {
    const doc = docOf([{ insert: `${text}${rest}\n` }])
    const edit = shortcut(doc, text.length)
    return edit ? write(compose(contentOf(doc), edit.delta), edit.caret) : ''
  }
  it.each([
    ['## ', '', '## |'],
    ['# ', 'title', '# |title'],
    ['- ', '', '- |'],
    ['* ', 'a', '- |a'],
    ['1. ', '', '1. |'],
    ['[] ', '', '[_] |'],
    ['[x] ', 'done', '[x] |done'],
    ['> ', '', '> |'],
    ['``` ', '', '`|'],
    ['---', '', '---\n|'],
    ['a **b**', ' c', 'a **b**| c'],
    ['**a b**', '', '**a b**|'],
    ['*it*', '', '_it_|'],
    ['2 * 3 *', '', ''],
    ['a**b**', '', ''],
    ['snake_case_', '', ''],
    ['word ', '', ''],
    ['####### ', '', ''],
  ])('%j%s becomes %j', (text, rest, want) => {
    expect(typed(text, rest)).toBe(want)
  })
  it('begin code with a fence and Enter, in its language', () => {
    const doc = docOf([{ insert: '```go\n' }])
    expect(fenceShortcut(doc, 5)?.delta).toEqual([
      { delete: 5 },
      { retain: 1, attributes: { 'code-block': 'go' } },
    ])
  })
  it('change nothing in code', () => {
    expect(shortcut(read('`- |').doc, 2)).toBeNull()
  })
})
