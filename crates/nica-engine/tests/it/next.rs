//! `next` as a table: one row for each sentence of the design about direction, undo, retained prefix, barrier,
//! hold, drift and commit.
//!
//! A row is a moment of one run (`scene`), what is different about it, and what `next` says.

mod accept;
mod back;
mod contract;
mod forward;
mod objects;
mod scene;
mod status;
mod supersede;

use scene::Scene;

/// The sentence, the moment, the answer.
type Row = (&'static str, Scene, &'static str);

fn check(rows: Vec<Row>) {
    for (sentence, scene, expected) in rows {
        let said = scene.says();
        assert_eq!(said, expected, "{sentence}\n  {:?}\n  {:?}", scene.statuses, scene.world);
    }
}
