const MINUTE = 60_000

/** Says what happens, on standard error. What goes on for an hour is a line a minute, not one for each try. */
export class Log {
  // When each cause was last said, the oldest first.
  readonly #said = new Map<string, number>()

  /** `about` is what goes wrong, `cause` why: for the same again the line comes at most once a minute. */
  say (about: string, cause: string, line: string): void {
    const now = performance.now()
    for (const [key, at] of this.#said) {
      if (now - at < MINUTE) break
      this.#said.delete(key)
    }
    const key = `${about}: ${cause}`
    if (this.#said.has(key)) return
    this.#said.set(key, now)
    // Also of words of the application's or of OpenSSL's it is one line.
    console.error(`socketpass: ${line.trim().split(/\s*[\r\n]+\s*/).join(' | ')}`)
  }
}
