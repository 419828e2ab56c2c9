// Each store as its package's own documentation opens it. A package is loaded by who asks for it: all of them take seconds.
const schemeOf = (url) => url.slice(0, url.indexOf(':'))
const fileOf = (url) => url.slice('sqlite:'.length)
const nothing = async () => {}

const stores = {
  'connect-pg-simple': async (url, options, session) => {
    const { default: connectPgSimple } = await import('connect-pg-simple')
    const Store = connectPgSimple(session)
    const store = new Store({ conString: url, createTableIfMissing: true, ...options })
    return { store, close: () => store.close() }
  },

  'express-mysql-session': async (url, options, session) => {
    const { default: expressMysqlSession } = await import('express-mysql-session')
    const { hostname, port, username, password, pathname } = new URL(url)
    const Store = expressMysqlSession(session)
    const store = new Store({
      host: hostname,
      port: Number(port),
      user: username,
      password: decodeURIComponent(password),
      database: pathname.slice(1),
      ...options
    })
    await store.onReady()
    return { store, close: () => store.close() }
  },

  'connect-sqlite3': async (url, options, session) => {
    const { default: connectSqlite3 } = await import('connect-sqlite3')
    const { sqlite3 } = await import('./sqlite.js')
    const Store = connectSqlite3(session)
    return { store: new Store({ db: new sqlite3.Database(fileOf(url)), ...options }), close: nothing }
  },

  'better-sqlite3-session-store': async (url, options, session) => {
    const { default: Database } = await import('better-sqlite3')
    const { default: betterSqlite3Store } = await import('better-sqlite3-session-store')
    const Store = betterSqlite3Store(session)
    return { store: new Store({ client: new Database(fileOf(url)), ...options }), close: nothing }
  },

  'connect-session-knex': async (url, options) => {
    const { default: knexOf } = await import('knex')
    const { ConnectSessionKnexStore } = await import('connect-session-knex')
    const clients = { postgres: 'pg', mysql: 'mysql2', sqlite: 'better-sqlite3' }
    const client = clients[schemeOf(url)]
    const connection = client === 'better-sqlite3' ? { filename: fileOf(url) } : url
    const knex = knexOf({ client, connection, useNullAsDefault: true })
    const store = new ConnectSessionKnexStore({ knex, ...options })
    await store.ready
    return { store, close: () => knex.destroy() }
  },

  'connect-session-sequelize': async (url, options, session) => {
    const { default: connectSessionSequelize } = await import('connect-session-sequelize')
    const { Sequelize } = await import('sequelize')
    const logging = false
    const sequelize = schemeOf(url) === 'sqlite'
      ? new Sequelize({ dialect: 'sqlite', dialectModule: (await import('./sqlite.js')).sqlite3, storage: fileOf(url), logging })
      : new Sequelize(url, { logging })
    const Store = connectSessionSequelize(session.Store)
    const store = new Store({ db: sequelize, ...options })
    await store.sync()
    return { store, close: () => sequelize.close() }
  },

  // The entity of its README, without the decorators that need TypeScript.
  'connect-typeorm': async (url, options) => {
    const { DataSource, EntitySchema } = await import('typeorm')
    const { TypeormStore } = await import('connect-typeorm')
    const Session = new EntitySchema({
      name: 'Session',
      columns: {
        id: { type: 'varchar', length: 255, primary: true },
        expiredAt: { type: 'bigint' },
        json: { type: 'text' },
        destroyedAt: { type: schemeOf(url) === 'postgres' ? 'timestamp' : 'datetime', deleteDate: true, nullable: true }
      },
      indices: [{ columns: ['expiredAt'] }]
    })
    const type = { postgres: 'postgres', mysql: 'mysql', sqlite: 'better-sqlite3' }[schemeOf(url)]
    const place = type === 'better-sqlite3' ? { database: fileOf(url) } : { url }
    const source = await new DataSource({ type, ...place, entities: [Session], synchronize: true }).initialize()
    const store = new TypeormStore({ cleanupLimit: 2, limitSubquery: false, ...options })
    return { store: store.connect(source.getRepository(Session)), close: () => source.destroy() }
  },

  'prisma-session-store': async (url, options) => {
    const { PrismaSessionStore } = await import('@quixo3/prisma-session-store')
    const { prismaLike } = await import('./prisma.js')
    const { client, close } = await prismaLike(schemeOf(url), url)
    const store = new PrismaSessionStore(client, { dbRecordIdIsSessionId: true, ...options })
    return { store, close }
  },

  'connect-memcached': async (url, options, session) => {
    const { default: connectMemcached } = await import('connect-memcached')
    const Store = connectMemcached(session)
    const store = new Store({ hosts: [new URL(url).host], ...options })
    return { store, close: async () => store.client.end() }
  },

  'session-file-store': async (url, options, session) => {
    const { default: sessionFileStore } = await import('session-file-store')
    const Store = sessionFileStore(session)
    const store = new Store({ path: url.slice('file:'.length), logFn () {}, retries: 0, ...options })
    return { store, close: nothing }
  },

  'connect-mongo': async (url, options) => {
    const { default: MongoStore } = await import('connect-mongo')
    // The index that has MongoDB itself remove what has expired is not there in FerretDB.
    const store = MongoStore.create({ mongoUrl: url, autoRemove: 'disabled', ...options })
    await store.collectionP
    return { store, close: () => store.close() }
  },

  'connect-mongodb-session': async (url, options, session) => {
    const { default: connectMongoDBSession } = await import('connect-mongodb-session')
    const Store = connectMongoDBSession(session)
    // It makes the same index, and goes on without it where somebody listens to the error.
    const store = new Store({ uri: url, ...options }, () => {})
    await store.initialConnectionPromise
    return { store, close: () => store.client.close() }
  }
}

export const openStore = (layout, url, options, session) => stores[layout](url, options, session)
