import type { Command, Formats } from '../../binding/editor'
import type { IconName } from '../controls/icons'
import { strings } from '../strings'

/** A control of the toolbar: what it does, and when it is on or of no use. */
export interface Control {
  icon: IconName
  label: string
  keys?: string
  command: Command | 'link'
  on?(formats: Formats): boolean
  off?(formats: Formats): boolean
}

const t = strings.toolbar

const list = (kind: 'bullet' | 'ordered' | 'check') =>
  ({ command: { name: 'list', kind }, on: f => f.list === kind }) satisfies Partial<Control>

export const history: Control[] = [
  { icon: 'undo', label: t.undo, keys: 'Mod-z', command: { name: 'undo' }, off: f => !f.canUndo },
  { icon: 'redo', label: t.redo, keys: 'Mod-Shift-z', command: { name: 'redo' }, off: f => !f.canRedo },
]

export const marks: Control[] = [
  { icon: 'bold', label: t.bold, keys: 'Mod-b', command: { name: 'bold' }, on: f => f.bold },
  { icon: 'italic', label: t.italic, keys: 'Mod-i', command: { name: 'italic' }, on: f => f.italic },
  {
    icon: 'underline',
    label: t.underline,
    keys: 'Mod-u',
    command: { name: 'underline' },
    on: f => f.underline,
  },
  { icon: 'strike', label: t.strike, keys: 'Mod-Shift-x', command: { name: 'strike' }, on: f => f.strike },
  { icon: 'code', label: t.code, keys: 'Mod-e', command: { name: 'code' }, on: f => f.code },
  { icon: 'link', label: t.link, keys: 'Mod-k', command: 'link', on: f => f.link !== null },
]

export const lists: Control[] = [
  { icon: 'bullet', label: t.bullet, keys: 'Mod-Shift-8', ...list('bullet') },
  { icon: 'ordered', label: t.ordered, keys: 'Mod-Shift-7', ...list('ordered') },
  { icon: 'checklist', label: t.check, keys: 'Mod-Shift-9', ...list('check') },
  { icon: 'outdent', label: t.outdent, keys: 'Shift-Tab', command: { name: 'indent', by: -1 } },
  { icon: 'indent', label: t.indent, keys: 'Tab', command: { name: 'indent', by: 1 } },
]

export const blocks: Control[] = [
  { icon: 'quote', label: t.quote, command: { name: 'blockquote' }, on: f => f.blockquote },
  { icon: 'codeBlock', label: t.codeBlock, command: { name: 'code-block' }, on: f => f.codeBlock },
  { icon: 'divider', label: t.divider, command: { name: 'divider' } },
]

export const clear: Control = { icon: 'clear', label: t.clear, keys: 'Mod-\\', command: { name: 'clear' } }

/** What a press on a control asks of the editor: a list that is on goes off. */
export function commandOf(control: Control, formats: Formats): Command | 'link' {
  const { command } = control
  if (command !== 'link' && command.name === 'list' && command.kind === formats.list) {
    return { name: 'list', kind: null }
  }
  return command
}

export interface Style {
  level: 1 | 2 | 3 | 4 | 5 | 6 | null
  label: string
  keys: string
}

const levels = [1, 2, 3, 4, 5, 6] as const

export const styles: Style[] = [
  { level: null, label: t.text, keys: 'Mod-Alt-0' },
  ...levels.map((level): Style => ({ level, label: t.heading(level), keys: `Mod-Alt-${level}` })),
]
