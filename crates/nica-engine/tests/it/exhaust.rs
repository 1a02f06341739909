//! The real `next`, over every interleaving of small worlds.
//!
//! A world has deployers that may be killed, stopped (whoever is not scheduled stands still) or cut off from any
//! answer, a Postgres with guard and commits in flight, a supervisor, and users who write. `checker` visits all of
//! it; `world` says what must hold; `cases` lists the worlds, and the wrong readings of the design that must fail.

mod admission;
mod book;
mod cases;
mod checker;
mod database;
mod deciding;
mod deployer;
mod environment;
mod mutants;
mod objects;
mod rules;
mod state;
mod world;
