/** Halley's own icons: strokes on a grid of 20, in the colour of the text. */
const paths = {
  back: 'M16 10H4m0 0 5-5m-5 5 5 5',
  plus: 'M10 4v12M4 10h12',
  search: 'M9 14.5a5.5 5.5 0 1 0 0-11 5.5 5.5 0 0 0 0 11Zm4-1.5 3.5 3.5',
  more: 'M3.9 10a.6.6 0 1 0 1.2 0 .6.6 0 1 0-1.2 0ZM9.4 10a.6.6 0 1 0 1.2 0 .6.6 0 1 0-1.2 0ZM14.9 10a.6.6 0 1 0 1.2 0 .6.6 0 1 0-1.2 0Z',
  close: 'm5 5 10 10M15 5 5 15',
  down: 'm6 8 4 4 4-4',
  check: 'm4.5 10.5 3.5 3.5 7.5-8',
  trash: 'M4 5.5h12M8 5.5V4h4v1.5m-6.5 0 .7 10.5h7.6l.7-10.5M8.5 8.5v5m3-5v5',
  restore: 'M4 5v4h4M4.5 9a6 6 0 1 1 .8 5',
  upload: 'M10 13V4m0 0L6.5 7.5M10 4l3.5 3.5M4 13v3h12v-3',
  download: 'M10 4v9m0 0 3.5-3.5M10 13 6.5 9.5M4 13v3h12v-3',
  file: 'M5.5 3h6l3 3v11h-9V3Zm6 0v3h3',
  pencil: 'm4 16 .8-3.3 8.4-8.4a1.4 1.4 0 0 1 2 0l.5.5a1.4 1.4 0 0 1 0 2l-8.4 8.4L4 16Z',
  keyboard: 'M3 6h14v8H3V6Zm3 2.7h.01M9 8.7h.01M12 8.7h.01M14.5 8.7h.01M6 11.5h8',
  leave: 'M11 4H5v12h6m-3-6h8m0 0-3-3m3 3-3 3',
  external: 'M8 5H5v10h10v-3m-4-8h5v5m0-5-7 7',
  link: 'M8.5 11.5a3 3 0 0 0 4.3 0l2.4-2.4a3 3 0 0 0-4.3-4.3l-.9.9m1.5 2.8a3 3 0 0 0-4.3 0l-2.4 2.4a3 3 0 0 0 4.3 4.3l.9-.9',
  unlink:
    'm12.5 9.4 2.7-.3a3 3 0 0 0-4.3-4.3L10 5.700M7.500 10.600l-2.700.3a3 3 0 0 0 4.300 4.300l.9-.9M4 4l12 12',
  bold: 'M6 4h4.8a2.9 2.9 0 0 1 0 5.8H6V4Zm0 5.8h5.5a3.1 3.1 0 0 1 0 6.2H6V9.8Z',
  italic: 'M8.5 4H14M6 16h5.5M11.5 4l-3 12',
  underline: 'M6 4v5.5a4 4 0 0 0 8 0V4M5 17h10',
  strike:
    'M13.8 6.5C13.3 5 11.9 4 10 4 7.8 4 6.3 5.2 6.3 6.8c0 1.3.8 2.2 2.4 2.7M3.5 10h13M13 11.5c.6.5.9 1.1.9 1.8 0 1.6-1.6 2.7-3.9 2.7-2.1 0-3.6-1-4-2.6',
  code: 'm7 6-4 4 4 4m6-8 4 4-4 4',
  bullet: 'M8 5.5h8.5M8 10h8.5M8 14.5h8.5M4 5.5h.01M4 10h.01M4 14.5h.01',
  ordered:
    'M8.5 5.5h8M8.5 10h8M8.5 14.5h8M3.3 4.3l1-.6v3.6m-1.1 4.2c.2-.9 1.9-.9 1.9.1 0 .8-1.9 1.4-1.9 2.6h2',
  checklist: 'm3 5.500 1.300 1.300L6.500 4.400M9.500 5.500h7M9.500 14h7M3.200 12.200h3.400v3.400H3.200z',
  indent: 'M3.5 4.5h13m-7 3.7h7m-7 3.6h7m-13 3.7h13M3.5 8l2.5 2-2.5 2',
  outdent: 'M3.5 4.5h13m-7 3.7h7m-7 3.6h7m-13 3.7h13M6 8l-2.5 2L6 12',
  quote: 'M4 5v10M8 6h8.5M8 10h8.5M8 14h5',
  codeBlock: 'M3 4h14v12H3V4Zm5 3.5L5.5 10 8 12.5m4-5 2.5 2.5-2.5 2.5',
  divider: 'M3 10h14M6 5.5h8M6 14.5h8',
  clear: 'M5 4h9M9.5 4 8 12M4 16h4m4-4 4 4m0-4-4 4',
  undo: 'M7.5 4 4 7.5 7.5 11M4 7.5h7.5a4.2 4.2 0 0 1 0 8.5H8',
  redo: 'M12.5 4 16 7.5 12.5 11M16 7.5H8.5a4.2 4.2 0 0 0 0 8.5H12',
  offline:
    'M3.5 8.5a9.5 9.5 0 0 1 4-2.3m3.5-.3a9.5 9.5 0 0 1 5.5 2.6M6 11.3a6 6 0 0 1 3-1.6m4 1 1 .6M10 15h.01M4 4l12 12',
  warn: 'M10 3.5 17.5 16h-15L10 3.5Zm0 4.5v4m0 2h.01',
} as const

export type IconName = keyof typeof paths

/** An icon beside or instead of words; it has no name of its own. */
export function Icon({ name }: { name: IconName }) {
  return (
    <svg class="icon" viewBox="0 0 20 20" aria-hidden="true">
      <path d={paths[name]} />
    </svg>
  )
}
