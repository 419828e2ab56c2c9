// What becomes of sessions in the store.

// The session of a browser is something else from now on, or is no more.
export async function store (stage, { store: name, session }) {
  await stage.services.keep(stage.names[`${name}.sid`], stage.fill(session))
}
