// connect-sqlite3 takes any database with the functions of the `sqlite3` package: here better-sqlite3 with those.
export const callbacks = (database) => {
  const answering = (work) => (sql, ...rest) => {
    const done = typeof rest.at(-1) === 'function' ? rest.pop() : () => {}
    let answer
    try {
      answer = work(sql, rest[0] ?? [])
    } catch (error) {
      return done(error)
    }
    done(null, answer)
  }
  const statement = (run) => answering((sql, values) => {
    const prepared = database.prepare(sql)
    return prepared.reader ? run(prepared, values) : void prepared.run(...values)
  })
  return {
    exec: answering((sql) => void database.exec(sql)),
    run: statement(() => undefined),
    get: statement((prepared, values) => prepared.get(...values)),
    all: statement((prepared, values) => prepared.all(...values))
  }
}
