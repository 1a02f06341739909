//! The project's own tools, reached through `./x`: tests, house rules, CI jobs, benches, the demo.
//!
//! Everything here judges or drives the product from outside and shares no code with it: a judge that calls the
//! code it judges believes its mistakes. This is a program for people in a checkout, so it prints freely.
#![allow(
    clippy::print_stdout,
    clippy::print_stderr,
    clippy::exit,
    reason = "a program for people in a checkout"
)]

mod bench;
mod ci;
mod cluster;
mod config;
mod demo;
mod dev;
mod image;
mod kill;
mod render;
mod repo;
mod shape;
mod suite;
mod tidy;

use clap::{Parser, Subcommand};

#[derive(Parser)]
#[command(bin_name = "./x", version, about = "Tools of the NICA checkout", arg_required_else_help = true)]
struct Cli {
    #[command(subcommand)]
    task: Task,
}

#[derive(Subcommand)]
enum Task {
    /// Deliver real releases through dev, stage and prod on this machine, good and bad ones, and show what happened
    Demo(demo::Options),
    /// Everything that must be green, or one suite: `./x test NAME [ARGS]`
    Test {
        /// One suite; without it all of them
        name: Option<String>,
        /// Handed to that suite as they are
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        args: Vec<String>,
    },
    /// The service on this machine, on a database that is gone when it ends
    Dev(dev::Options),
    /// Figures that the project promises, measured on this machine
    Bench {
        /// Which; without it their list
        name: Option<String>,
    },
    /// One job of .github/workflows/ci.yml; writes target/ci/JOB.json
    Ci { job: ci::Job },
    /// infra/k8s into the plain manifests that a release carries, with kubectl
    Render(render::Options),
    /// The house rules: what must not know what, and what belongs together
    Tidy,
    /// A real Kubernetes on this machine: control plane, nodes, simulated nodes
    Cluster(cluster::Options),
    /// The images of the service, built without a daemon
    Image(image::Options),
    /// How long files and functions are
    Shape,
}

fn main() {
    let done = match Cli::parse().task {
        Task::Demo(options) => demo::run(&options),
        Task::Test { name, args } => suite::run(name.as_deref(), &args),
        Task::Dev(options) => dev::run(&options),
        Task::Bench { name } => bench::run(name.as_deref()),
        Task::Ci { job } => ci::run(job),
        Task::Render(options) => render::run(&options),
        Task::Tidy => tidy::run(),
        Task::Cluster(options) => cluster::run(&options),
        Task::Image(options) => image::run(&options),
        Task::Shape => shape::run(),
    };
    match done {
        Ok(true) => {}
        Ok(false) => std::process::exit(1),
        Err(error) => {
            eprintln!("error: failed to {error:#}");
            std::process::exit(2);
        }
    }
}
