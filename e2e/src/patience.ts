/**
 * Waiting for things to happen. No test waits for a time to pass; what does
 * not happen within `PATIENCE_MS` is taken for what never will. It is long
 * enough for a machine that is busy with other things.
 */
export const PATIENCE_MS = 30_000
const PAUSE_MS = 25

/** Asks again and again until the answer is not undefined, which it then returns. */
export async function until<T>(
  what: string,
  ask: () => Promise<T | undefined> | T | undefined,
  withinMs = PATIENCE_MS,
): Promise<T> {
  const end = Date.now() + withinMs
  for (;;) {
    const answer = await ask()
    if (answer !== undefined) return answer
    if (Date.now() > end) throw new Error(`${what}: not within ${withinMs / 1000} s`)
    await new Promise(resolve => setTimeout(resolve, PAUSE_MS))
  }
}

/** Asks until what is seen is what is wanted; else shows the last that was seen. */
export async function untilEqual<T>(what: string, want: T, see: () => Promise<T> | T): Promise<void> {
  let seen: T | undefined
  const wanted = JSON.stringify(want)
  try {
    await until(what, async () => {
      seen = await see()
      return JSON.stringify(seen) === wanted ? true : undefined
    })
  } catch (error) {
    throw new Error(`${(error as Error).message}\nsaw  ${JSON.stringify(seen)}\nwant ${wanted}`)
  }
}
