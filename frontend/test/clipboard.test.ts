// @vitest-environment happy-dom
import { describe, expect, it } from 'vitest'
import { cleaned, fromHtml, toHtml, toText } from '../src/binding/clipboard'
import type { Delta } from '../src/protocol/delta'
import { parseDelta } from '../src/protocol/wire'
import { Rng, randomContent, rounds } from './random'

const line = (text: string, format?: object): Delta =>
  (format ? [{ insert: text }, { insert: '\n', attributes: format }] : [{ insert: `${text}\n` }]) as Delta

describe('HTML from elsewhere', () => {
  it.each<[string, string, Delta]>([
    ['a word', 'hello <b>you</b>', [{ insert: 'hello ' }, { insert: 'you', attributes: { bold: true } }]],
    ['paragraphs', '<p>one</p>\n<p>two</p>', line('one\ntwo')],
    ['spaces', '<p>  one \n two&nbsp;three </p>', line('one two three')],
    ['a heading', '<h2>Title</h2>', line('Title', { header: 2 })],
    ['a break', '<p>a<br>b</p>', line('a\nb')],
    ['empty paragraphs', '<p>a</p><p><br></p><p>b</p>', line('a\n\nb')],
    [
      'lists in lists',
      '<ul><li>a<ol><li>b</li></ol></li><li>c</li></ul>',
      [
        ...line('a', { list: 'bullet' }),
        ...line('b', { list: 'ordered', indent: 1 }),
        ...line('c', { list: 'bullet' }),
      ],
    ],
    [
      'check items',
      '<ul><li><input type="checkbox" checked> a</li><li><input type="checkbox"> b</li></ul>',
      [...line('a', { list: 'checked' }), ...line('b', { list: 'unchecked' })],
    ],
    ['paragraphs in items', '<ul><li><p>a</p></li></ul>', line('a', { list: 'bullet' })],
    ['a quote', '<blockquote><p>a</p></blockquote>', line('a', { blockquote: true })],
    [
      'code',
      '<pre><code class="language-go">a\n  b</code></pre>',
      [...line('a', { 'code-block': 'go' }), ...line('  b', { 'code-block': 'go' })],
    ],
    [
      'styles',
      '<span style="font-weight: 700; font-style: italic">a</span>',
      [{ insert: 'a', attributes: { bold: true, italic: true } }],
    ],
    ['what wraps it all in a <b> that is none', '<b style="font-weight:normal"><p>a</p></b>', line('a')],
    [
      'a link',
      '<a href="https://example.org/">x</a>',
      [{ insert: 'x', attributes: { link: 'https://example.org/' } }],
    ],
    ['no unsafe link', '<a href="javascript:alert(1)">x</a>', [{ insert: 'x' }]],
    ['no script', '<script>alert(1)</script><style>p{}</style>x', [{ insert: 'x' }]],
    [
      'a rule',
      '<p>a</p><hr><p>b</p>',
      [{ insert: 'a\n' }, { insert: { divider: true } }, { insert: '\nb\n' }],
    ],
    [
      'a table',
      '<table><tr><td>a</td><td>b</td></tr><tr><td>c</td><td>d</td></tr></table>',
      line('a\tb\nc\td'),
    ],
    [
      'a picture',
      '<img src="https://example.org/a.png" alt="A">',
      [{ insert: { image: 'https://example.org/a.png' }, attributes: { alt: 'A' } }],
    ],
    ['no picture of another kind', '<img src="data:image/png;base64,AAAA">', []],
  ])('reads %s', (_, html, want) => {
    expect(parseDelta(fromHtml(html))).toEqual(parseDelta(want))
  })
})

describe('content that claims to be ours', () => {
  it('comes in without what a page may not hold', () => {
    const content = parseDelta([
      { insert: 'a', attributes: { bold: true, evil: 1, link: 'javascript:alert(1)', 'comment:x': true } },
      { insert: '\n', attributes: { header: 9, list: 'bullet' } },
      { insert: { image: 'https://example.org/a.png' }, attributes: { alt: 'A', onerror: 'x' } },
      { insert: { script: 'x' } },
      { insert: { image: 'data:x' } },
    ])
    expect(cleaned(content)).toEqual([
      { insert: 'a', attributes: { bold: true } },
      { insert: '\n', attributes: { list: 'bullet' } },
      { insert: { image: 'https://example.org/a.png' }, attributes: { alt: 'A' } },
    ])
  })

  it('comes in whole where it may', () => {
    for (let seed = 1; seed <= rounds(2000); seed++) {
      const once = cleaned(randomContent(new Rng(seed), 10, 0.3))
      expect(cleaned(once), `seed ${seed}`).toEqual(once)
    }
  })
})

describe('what is copied', () => {
  it('is HTML that others understand', () => {
    const content: Delta = [
      ...line('T & "co"', { header: 1 }),
      ...line('a', { list: 'bullet' }),
      ...line('b', { list: 'ordered', indent: 1 }),
      ...line('c', { list: 'checked' }),
      ...line('x', { 'code-block': true }),
      ...line('y', { 'code-block': true }),
      { insert: 'end', attributes: { bold: true, link: 'https://example.org/' } },
    ]
    expect(toHtml(content)).toBe(
      '<h1>T &#38; &#34;co&#34;</h1>' +
        '<ul><li>a<ol><li>b</li></ol></li><li><input type="checkbox" checked> c</li></ul>' +
        '<pre><code>x\ny\n</code></pre>' +
        '<a href="https://example.org/"><strong>end</strong></a>',
    )
    expect(toText(content)).toBe('T & "co"\na\nb\nc\nx\ny\nend')
  })

  it('can be read again, whatever it was', () => {
    for (let seed = 1; seed <= rounds(2000); seed++) {
      const content = randomContent(new Rng(seed), 10, 0.3)
      const again = fromHtml(toHtml(content))
      expect(() => parseDelta(again), `seed ${seed}`).not.toThrow()
      // A second time changes nothing more.
      const html = toHtml(again)
      expect(toHtml(fromHtml(html)), `seed ${seed}`).toBe(html)
    }
  })
})
