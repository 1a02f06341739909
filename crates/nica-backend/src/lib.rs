//! The service that NICA delivers: foods, notes, and what a deployer needs to see of it.
//!
//! A request goes api → orchestrator → store; `app` puts the parts together, `server` carries connections, and
//! `readiness` knows whether the database serves this program. Nothing here can deploy, restore or unmask.

pub mod api;
pub mod app;
pub mod cli;
pub mod config;
pub mod embedded;
pub mod models;
pub mod orchestrator;
pub mod readiness;
pub mod server;
pub mod store;
