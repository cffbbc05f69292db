/**
 * The editor's model: flat, one block a line, a run of code lines as one block.
 *
 * A block's `format` holds its newline's attributes as they are in the Delta,
 * whatever they are, and what has no mark of its own on text waits in `extra`.
 * So every content has exactly one document, and back.
 */
import { type Attrs, type DOMOutputSpec, type MarkSpec, type NodeSpec, Schema } from 'prosemirror-model'
import type { Attributes } from '../protocol/attributes'
import type { Embed } from '../protocol/delta'
import { indentOf, isFile, isPicture, isSafeLink, lineKind } from './format'

/** Lines are never selected as a whole: the next key would replace all of a paragraph. */
const line: NodeSpec = {
  content: 'inline*',
  group: 'block',
  selectable: false,
  attrs: { format: { default: null } },
  parseDOM: [
    { tag: 'p' },
    { tag: 'div' },
    { tag: 'li', getAttrs: () => ({ format: { list: 'bullet' } }) },
    { tag: 'blockquote', getAttrs: () => ({ format: { blockquote: true } }) },
    ...[1, 2, 3, 4, 5, 6].map(level => ({ tag: `h${level}`, attrs: { format: { header: level } } })),
  ],
  toDOM: node => lineDOM(node.attrs.format),
}

const codeBlock: NodeSpec = {
  content: 'inline*',
  group: 'block',
  code: true,
  selectable: false,
  attrs: { format: { default: { 'code-block': true } } },
  parseDOM: [{ tag: 'pre', preserveWhitespace: 'full' }],
  toDOM: node => lineDOM(node.attrs.format),
}

/** The look of a line; 0 stands where its text goes. */
export function lineDOM(format: Attributes | null): DOMOutputSpec {
  const kind = lineKind(format)
  const attrs = placement(format)
  const withClass = (name: string) => ({ ...attrs, class: [name, attrs.class].filter(Boolean).join(' ') })
  switch (kind.kind) {
    case 'code-block': {
      const language = kind.language ? { 'data-language': kind.language } : {}
      return ['pre', { ...withClass('h-code'), ...language, spellcheck: 'false' }, ['code', 0]]
    }
    case 'header':
      return [`h${kind.level}`, withClass(`h-line h-h${kind.level}`), 0]
    case 'blockquote':
      return ['blockquote', withClass('h-line h-quote'), 0]
    case 'plain':
      return ['p', withClass('h-line'), 0]
    case 'list':
      break
  }
  if (kind.list === 'bullet' || kind.list === 'ordered') {
    return ['ul', withClass(`h-list h-${kind.list}`), ['li', { class: 'h-line h-li' }, 0]]
  }
  const checked = String(kind.list === 'checked')
  const box = {
    class: 'h-box',
    role: 'checkbox',
    'aria-checked': checked,
    // The name of an item without text; LineView names the others by their text.
    'aria-label': 'Done',
    contenteditable: 'false',
  }
  const text = ['div', { class: 'h-check-text' }, 0]
  return [
    'ul',
    withClass('h-list h-checks'),
    ['li', { class: `h-line h-li h-check h-${kind.list}` }, ['span', box], text],
  ]
}

function placement(format: Attributes | null): Record<string, string> {
  const attrs: Record<string, string> = {}
  const indent = indentOf(format)
  if (indent > 0) attrs['data-indent'] = String(indent)
  const classes: string[] = []
  const { align, direction, callout } = format ?? {}
  if (align === 'center' || align === 'right' || align === 'justify') classes.push(`h-${align}`)
  if (callout === 'info' || callout === 'tip' || callout === 'warning')
    classes.push('h-callout', `h-${callout}`)
  if (classes.length > 0) attrs.class = classes.join(' ')
  if (direction === 'rtl') attrs.dir = 'rtl'
  return attrs
}

const embed: NodeSpec = {
  inline: true,
  group: 'inline',
  atom: true,
  draggable: true,
  attrs: { value: {}, extra: { default: null } },
  toDOM: node => embedDOM(node.attrs.value, node.attrs.extra ?? {}),
  leafText: () => '\ufffc',
}

/** The look of an embed. One that we cannot show is named by its kind. */
function embedDOM(value: Embed, extra: Attributes): DOMOutputSpec {
  const kind = Object.keys(value)[0] ?? ''
  const content = value[kind]
  const fields = (typeof content === 'object' && content !== null ? content : {}) as Record<string, unknown>
  const text = (name: string) => (typeof fields[name] === 'string' ? (fields[name] as string) : '')
  switch (kind) {
    case 'divider':
      return ['span', { class: 'h-divider', role: 'separator' }]
    case 'image': {
      if (typeof content !== 'string' || !isPicture(content)) break
      const alt = typeof extra.alt === 'string' ? extra.alt : ''
      const width = typeof extra.width === 'number' ? { width: String(extra.width) } : {}
      return ['img', { class: 'h-image', src: content, alt, loading: 'lazy', ...width }]
    }
    case 'file':
      if (!isFile(text('path'))) break
      return ['a', { class: 'h-file', href: text('path'), download: text('name') }, text('name') || 'file']
    case 'mention':
      return ['span', { class: 'h-mention' }, `@${text('label')}`]
    case 'page':
      return ['a', { class: 'h-page', href: `/p/${encodeURIComponent(text('id'))}` }, 'page']
    case 'date':
    case 'formula':
      return ['span', { class: `h-${kind}` }, String(content)]
  }
  return ['span', { class: 'h-embed' }, kind]
}

const marks: Record<string, MarkSpec> = {
  link: {
    inclusive: false,
    attrs: { value: {} },
    parseDOM: [
      {
        tag: 'a[href]',
        getAttrs: dom => {
          const href = dom.getAttribute('href') ?? ''
          return isSafeLink(href) ? { value: href } : false
        },
      },
    ],
    toDOM: mark => ['a', { href: mark.attrs.value, rel: 'noopener noreferrer nofollow', class: 'h-link' }],
  },
  bold: {
    parseDOM: [{ tag: 'strong' }, { tag: 'b', getAttrs: dom => dom.style.fontWeight !== 'normal' && null }],
    toDOM: () => ['strong'],
  },
  italic: { parseDOM: [{ tag: 'em' }, { tag: 'i' }], toDOM: () => ['em'] },
  underline: { parseDOM: [{ tag: 'u' }], toDOM: () => ['u'] },
  strike: { parseDOM: [{ tag: 's' }, { tag: 'del' }, { tag: 'strike' }], toDOM: () => ['s'] },
  script: {
    attrs: { value: {} },
    parseDOM: [
      { tag: 'sub', attrs: { value: 'sub' } },
      { tag: 'sup', attrs: { value: 'super' } },
    ],
    toDOM: mark => [mark.attrs.value === 'sub' ? 'sub' : 'sup'],
  },
  color: { attrs: { value: {} }, toDOM: mark => ['span', colored('color', mark.attrs)] },
  background: { attrs: { value: {} }, toDOM: mark => ['span', colored('background', mark.attrs)] },
  code: { parseDOM: [{ tag: 'code' }], toDOM: () => ['code', { class: 'h-inline-code' }] },
  /** Attributes without a mark of their own. */
  extra: { attrs: { attributes: {} }, toDOM: () => ['span', { class: 'h-extra' }] },
}

/** The theme paints a colour of the palette by its class, and keeps any other within what can be read. */
function colored(what: 'color' | 'background', { value }: Attrs): Record<string, string> {
  const name = String(value)
  return name.startsWith('#')
    ? { class: `h-${what} h-own`, style: `--h-own: ${name}` }
    : { class: `h-${what} h-${name}` }
}

export const schema = new Schema({
  nodes: { doc: { content: 'block+' }, line, codeBlock, embed, text: { group: 'inline' } },
  marks,
})
