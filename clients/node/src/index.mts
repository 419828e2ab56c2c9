// One implementation for both kinds of modules: `import` and `require` give the same SocketPass.
export * from './index.js'
