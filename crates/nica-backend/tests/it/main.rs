//! The program as others meet it: a process with sockets, beside a real Postgres.

mod client;
mod commands;
mod configuration;
mod drain;
mod foods;
mod hub;
mod models;
mod notes;
mod problems;
mod ready;
mod replica;
mod seeds;
mod start;
mod world;
