const said = (line: string): void => console.error(`socketpass: ${line}`)

/** Says what went wrong, once for each new cause: what goes on for an hour is one line, not one for each try. */
export class Log {
  readonly #last = new Map<string, string>()

  /** `about` is what goes wrong, `cause` why: the line comes when the cause is another than the last time. */
  trouble (about: string, cause: string, line: string): void {
    if (this.#last.get(about) === cause) return
    this.#last.set(about, cause)
    said(line)
  }

  /** It goes well again: the next trouble is new. */
  fine (about: string): void {
    this.#last.delete(about)
  }
}
