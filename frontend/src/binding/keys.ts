/** What the keys do. What is not here is ProseMirror's base key map's, or the browser's. */
import type { Command as KeyCommand } from 'prosemirror-state'
import { type Command, runCommand, type Target } from './commands'
import type { SurfaceEdit } from './draft'
import { indent, inListOrCode, toggleCheck } from './formatting'
import { indexOf } from './mapping'
import { fenceShortcut } from './shortcuts'
import { backspace, deleteForward, enter, softEnter } from './writing'

/** What keys act on. */
export interface KeyTarget extends Target {
  /** Counts what was done here, others' changes aside. */
  readonly deeds: number
  undo(): boolean
  redo(): boolean
  undoShortcut(): boolean
}

export function keys(target: KeyTarget, options: { onLinkRequest?: () => void }): Record<string, KeyCommand> {
  const run = (command: Command): KeyCommand => {
    return () => {
      runCommand(target, command)
      return true
    }
  }
  /** Only where nothing is selected. */
  const atCaret = (edit: (index: number) => SurfaceEdit | null): KeyCommand => {
    return ({ selection, doc }) => selection.empty && target.act(edit(indexOf(doc, selection.from)))
  }
  const doc = () => target.view.state.doc
  // Right after Escape, Tab leaves the surface, so that nobody who lives by the keyboard is caught in it.
  let escapedAt: number | null = null
  const tab = (by: 1 | -1): KeyCommand => {
    return (_state, _dispatch, view) => {
      // A code block that scrolls can have the focus itself, and is left by Tab like any control.
      if (target.deeds === escapedAt || view?.hasFocus() === false) return false
      // Elsewhere Tab moves the focus, as it does everywhere on the web.
      if (!inListOrCode(doc(), target.span())) return false
      target.act(indent(doc(), target.span(), by))
      return true
    }
  }

  const map: Record<string, KeyCommand> = {
    'Mod-b': run({ name: 'bold' }),
    'Mod-i': run({ name: 'italic' }),
    'Mod-u': run({ name: 'underline' }),
    'Mod-Shift-x': run({ name: 'strike' }),
    'Mod-e': run({ name: 'code' }),
    'Mod-k': () => {
      options.onLinkRequest?.()
      return true
    },
    'Mod-Alt-0': run({ name: 'header', level: null }),
    'Mod-Shift-7': run({ name: 'list', kind: 'ordered' }),
    'Mod-Shift-8': run({ name: 'list', kind: 'bullet' }),
    'Mod-Shift-9': run({ name: 'list', kind: 'check' }),
    'Mod-Shift-.': run({ name: 'blockquote' }),
    'Mod-Alt-c': run({ name: 'code-block' }),
    'Mod-\\': run({ name: 'clear' }),
    'Mod-]': run({ name: 'indent', by: 1 }),
    'Mod-[': run({ name: 'indent', by: -1 }),
    'Mod-z': () => {
      target.undo()
      return true
    },
    'Mod-Shift-z': () => {
      target.redo()
      return true
    },
    'Mod-y': () => {
      target.redo()
      return true
    },
    Enter: ({ selection }) => {
      const fence = selection.empty ? fenceShortcut(doc(), target.span().from) : null
      return target.act(fence ?? enter(doc(), target.span()))
    },
    'Shift-Enter': () => target.act(softEnter(doc(), target.span())),
    'Mod-Enter': atCaret(index => toggleCheck(doc(), index)),
    Backspace: (...args) => target.undoShortcut() || atCaret(index => backspace(doc(), index))(...args),
    Delete: atCaret(index => deleteForward(doc(), index)),
    Tab: tab(1),
    'Shift-Tab': tab(-1),
    Escape: () => {
      escapedAt = target.deeds
      return false
    },
  }
  for (const level of [1, 2, 3, 4, 5, 6] as const) map[`Mod-Alt-${level}`] = run({ name: 'header', level })
  return map
}
