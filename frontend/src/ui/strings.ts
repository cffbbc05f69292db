/**
 * Every word that the app says to a person, in one place.
 *
 * A sentence says what happened and what to do next, in plain words. Names of
 * pages stand in “these”.
 */

const one = (n: number, singular: string, plural = `${singular}s`) => `${n} ${n === 1 ? singular : plural}`

const capital = (text: string) => text.charAt(0).toUpperCase() + text.slice(1)

export const strings = {
  product: 'Halley',
  untitled: 'Untitled',
  licences: 'Licences',
  documentTitle: (title: string) => (title ? `${title} — Halley` : 'Halley'),

  welcome: {
    title: 'Write together, live.',
    question: 'What should others call you?',
    placeholder: 'Your name',
    start: 'Start writing',
    needName: 'Please give a name, so that others know who is writing.',
  },

  list: {
    title: 'Pages',
    trashTitle: 'Trash',
    newPage: 'New page',
    importFiles: 'Import files…',
    search: 'Search titles and text',
    clearSearch: 'Clear the search',
    results: (query: string) => `Pages with “${query}”`,
    trash: 'Trash',
    backToPages: 'All pages',
    more: 'Show more',
    loadingMore: 'Loading more…',
    searching: 'Still searching…',
    end: (n: number) => one(n, 'page'),
    empty: 'No pages yet',
    emptyHint: 'Begin one, or drop Markdown, HTML, text or JSON files here to bring them in.',
    nothingFound: (query: string) => `No page has “${query}” in its title or text.`,
    trashEmpty: 'The trash is empty',
    trashEmptyHint: 'Pages that are moved to the trash wait here until they are put back.',
    trashed: (when: string) => `Moved here ${when}`,
    noText: 'No text yet',
    here: (names: string) => `Here now: ${names}`,
    menuOf: (title: string) => `More for “${title}”`,
    open: 'Open',
    rename: 'Rename…',
    copyLink: 'Copy link',
    exportAs: 'Export as',
    moveToTrash: 'Move to trash',
    putBack: 'Put back',
    drop: 'Drop the files to make pages of them',
    stale: 'Not up to date',
    waiting: (n: number, title: string) => `${one(n, 'edit')} in “${title}” still on the way`,
  },

  rename: { title: 'Rename page', label: 'Title', save: 'Rename' },

  import: {
    title: 'Import',
    progress: (done: number, all: number) => `${done} of ${one(all, 'file')}`,
    waiting: 'Waiting',
    reading: 'Reading…',
    done: 'Imported',
    lost: "What this file had that Halley can't keep",
    folder: 'A folder cannot be imported here. Drop the files in it instead.',
    unknownFormat: (extensions: string[]) =>
      `Halley cannot read this kind of file. It reads ${listed(extensions)}.`,
    open: 'Open',
    close: 'Close',
    leave: 'Files are still being imported.',
  },

  export: {
    done: (name: string) => `Saved as ${name}`,
    lostTitle: (label: string) => `What ${label} can't keep`,
    lost: (name: string) =>
      `${name} has been downloaded. The page had some things that this format has no form for:`,
    close: 'Close',
  },

  note: ({ what, count, where }: { what: string; count: number; where?: number }) =>
    `${capital(what)}${count > 1 ? `, ${count} times` : ''}${where ? `, line ${where}` : ''}.`,

  page: {
    back: 'All pages',
    title: 'Title of the page',
    text: 'Text of the page',
    textHelp: 'In lists and code, Tab indents. To leave them with Tab, press Escape first.',
    noFiles: 'Halley cannot put pictures and files into a page yet. Nothing was put in; a link to it works.',
    placeholder: 'Write here',
    menu: 'Page menu',
    export: 'Export as',
    copyLink: 'Copy link',
    shortcuts: 'Keyboard shortcuts',
    moveToTrash: 'Move to trash',
    readOnly: 'You may read this page',
    titleFailed: (problem: string) => `The title could not be saved. ${problem}`,
    opening: 'Opening the page…',
    tooMuch: 'That is more than a page can hold. Nothing was put in; try a smaller part.',
    takenBack: (problem: string) => `What you put in last was taken out again. ${problem}`,
  },

  people: {
    label: (n: number) => (n === 1 ? 'Only you are here' : `${one(n, 'person', 'people')} here`),
    you: 'you',
    more: (n: number) => `and ${one(n, 'other')}`,
    state: {
      active: 'Reading',
      typing: 'Writing…',
      idle: 'Idle',
      away: 'Looking elsewhere',
      reconnecting: 'Reconnecting…',
    },
  },

  status: {
    opening: 'Opening…',
    saved: 'Saved',
    savedDetail: 'Everything you wrote is safely on the server.',
    saving: 'Saving…',
    savingDetail: 'Your last words are on their way to the server.',
    waiting: (n: number) => `${one(n, 'edit')} waiting`,
    waitingDetail: 'The server has not confirmed them yet. They stay in this tab until it has.',
    waitingKept: 'What you wrote stays in this tab and is sent by itself.',
    offline: 'Offline',
    offlineWith: (n: number) => `Offline — ${one(n, 'edit')} kept in this tab until you are back`,
    offlineShort: (n: number) => `Offline · ${one(n, 'edit')}`,
    offlineDetail: 'You can go on writing. Keep this tab open; it connects again by itself.',
    reconnecting: 'Reconnecting…',
    reconnectingWith: (n: number) => `Reconnecting — ${one(n, 'edit')} kept in this tab`,
    reconnectingShort: (n: number) => `Reconnecting · ${n}`,
    reconnectingDetail: 'The line to the server was lost and is coming back.',
    ended: {
      trashed: 'In the trash',
      forbidden: 'No access',
      deleted: 'Deleted',
      'signed-out': 'Signed out',
      'epoch-changed': 'Restored from a backup',
      refused: 'Stopped',
    },
    announceFine: 'Connected. Everything is saved.',
  },

  ended: {
    trashed: ['This page is in the trash', 'Nobody can write in it until it is put back.'],
    forbidden: ['You may no longer open this page', 'Whoever shares it has changed who may see it.'],
    deleted: ['This page has been deleted', 'It is gone for good.'],
    'signed-out': ['You are signed out', 'Sign in again to go on writing.'],
    'epoch-changed': [
      'Halley was restored from a backup',
      'The page on the server may be older than what you see here. Load it again to go on.',
    ],
    refused: ['The server could not take your last edit', 'Load the page again to go on writing.'],
    unsent: 'Part of what you wrote has not reached the server. Keep a copy before you go on.',
    details: 'Details',
    show: 'Show',
    copy: 'Copy the text',
    download: 'Download the text',
    putBack: 'Put back',
    load: 'Load again',
    signIn: 'Sign in',
    pages: 'All pages',
  } satisfies Record<string, string | [string, string]>,

  notFound: ['There is no page here', 'It may have been deleted, or it is not shared with you.'],
  unknown: ['There is nothing at this address', 'Perhaps a part of the link is missing.'],
  unreachable: [
    'Halley cannot be reached',
    'The server does not answer, or this device is offline. Halley goes on trying.',
  ],
  failed: 'Something went wrong',
  retry: 'Try again',

  toolbar: {
    label: 'Formatting',
    style: 'Paragraph style',
    text: 'Text',
    heading: (level: number) => `Heading ${level}`,
    bold: 'Bold',
    italic: 'Italic',
    underline: 'Underline',
    strike: 'Strikethrough',
    code: 'Code',
    link: 'Link',
    bullet: 'Bulleted list',
    ordered: 'Numbered list',
    check: 'Checklist',
    outdent: 'Less indent',
    indent: 'More indent',
    quote: 'Quote',
    codeBlock: 'Code block',
    divider: 'Divider',
    clear: 'Clear formatting',
    undo: 'Undo',
    redo: 'Redo',
  },

  link: {
    title: 'Link',
    label: 'Address',
    placeholder: 'Paste or type a link',
    apply: 'Apply',
    remove: 'Remove link',
    open: 'Open link',
    bad: 'This is no address that Halley can link to. Use a web, mail or telephone address.',
    selectFirst: 'Select the words that should carry the link first.',
  },

  shortcuts: {
    title: 'Keyboard shortcuts',
    groups: { text: 'Text', lines: 'Lines', page: 'Page', typed: 'As you type' },
    save: 'Halley saves by itself',
    typed: {
      heading: 'Heading',
      bullet: 'Bulleted list',
      ordered: 'Numbered list',
      check: 'Checklist',
      quote: 'Quote',
      codeBlock: 'Code block',
      divider: 'Divider',
      bold: 'Bold',
      italic: 'Italic',
      code: 'Code',
      strike: 'Strikethrough',
    },
    thisDialog: 'This list',
    toolbar: 'To the toolbar',
    leave: 'Out of a list or code with Tab, after',
    close: 'Close',
  },

  toast: {
    trashed: (title: string) => `“${title}” is in the trash`,
    untrashed: (title: string) => `“${title}” is back among the pages`,
    undo: 'Undo',
    copied: 'Link copied',
    textCopied: 'Text copied',
    notCopied: 'The browser did not allow copying.',
    dismiss: 'Dismiss',
  },

  account: { menu: (name: string) => `Signed in as ${name}`, signOut: 'Sign out' },

  dialog: { cancel: 'Cancel', close: 'Close' },

  /** What a refusal means to a person, by its type; others bring their own sentence. */
  problems: {
    unreachable: 'Halley cannot be reached. Check the connection and try again.',
    'signed-out': 'You are signed out. Sign in again.',
    forbidden: 'You may not do this here.',
    'not-found': 'There is no such page, or it is not shared with you.',
    trashed: 'The page is in the trash.',
    'too-many': 'That was too much at once. Wait a moment and try again.',
    'too-large': 'This is larger than Halley takes at once.',
    'page-full': 'The page is full. Begin a second one for what comes next.',
    'disk-full': "The server's disk is full. Nothing was changed; tell whoever runs it.",
    draining: 'The server is restarting. Try again in a moment.',
    'unsupported-format': 'Halley cannot read this kind of file.',
    'invalid-edit': 'Halley cannot store it on a page.',
    'bad-request': 'The server did not understand this browser. Load the page again.',
    'base-ahead': 'The page on the server is older than what you see. Load it again.',
    'base-too-old': 'This tab is too far behind the page. Load it again.',
    'n-gap': 'The server missed an earlier edit of this tab. Load the page again.',
    'n-reused': 'The server has another edit in the place of this one. Load the page again.',
    internal: 'The server had an unexpected error. Try again; if it stays, tell whoever runs it.',
  } as Record<string, string>,
}

/** "a, b and c". */
export function listed(words: string[]): string {
  if (words.length < 2) return words.join('')
  return `${words.slice(0, -1).join(', ')} and ${words.at(-1)}`
}
