//! The command line as data: what can be said, with its help. What it means stands in `commands`.

use clap::{Args, Parser, Subcommand};
use std::path::PathBuf;

/// Carry a Postgres-backed service from a commit to production, and always carry it back.
#[derive(Debug, Parser)]
#[command(name = "nica", version, infer_long_args = true, arg_required_else_help = true)]
pub struct Cli {
    #[command(flatten)]
    pub global: Global,
    #[command(subcommand)]
    pub command: Command,
}

#[derive(Debug, Clone, Args)]
pub struct Global {
    /// The delivery policy; its folder is where relative paths start.
    #[arg(long, global = true, env = "NICA_CONFIG", default_value = "nica.toml", value_name = "FILE")]
    pub config: PathBuf,
    /// One JSON object a line on stdout.
    #[arg(long, global = true, env = "NICA_JSON")]
    pub json: bool,
    /// When to colour what people read.
    #[arg(long, global = true, env = "NICA_COLOR", default_value = "auto", value_name = "WHEN")]
    pub color: Color,
    /// Only results and errors.
    #[arg(short, long, global = true, env = "NICA_QUIET")]
    pub quiet: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Color {
    Auto,
    Always,
    Never,
}

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Make and inspect the immutable release file; sign evidence over its hash.
    #[command(subcommand)]
    Release(Release),
    /// Say what would happen, as a diff, with gates; write the plan file.
    #[command(after_help = "Example:\n  nica plan --env prod --release nica-2026.11.3.nica --out prod.plan")]
    Plan(Plan),
    /// Plan if needed, gate, apply, validate, bake, finish or undo.
    #[command(
        after_help = "Examples:\n  nica deploy --env dev --release nica-2026.11.3.nica\n  nica deploy --env prod --plan prod.plan"
    )]
    Deploy(Deploy),
    /// Finish an open run; what a timer calls.
    Resume(Env),
    /// Say where an environment stands.
    Status(MaybeEnv),
    /// Run the supervisor of a `process` target.
    Supervise(State),
    /// Hold the listening sockets of a `process` target.
    Keep(State),
}

#[derive(Debug, Subcommand)]
pub enum Release {
    /// Collect executables, migrations, seeds and config into one file.
    #[command(after_help = "Example:\n  nica release create --version 2026.11.3 --out nica-2026.11.3.nica")]
    Create(Create),
    /// Print what a release file holds.
    Show { file: PathBuf },
    /// Check every byte of a release file against its own list.
    Verify { file: PathBuf },
}

#[derive(Debug, Args)]
pub struct Create {
    #[arg(long = "version", value_name = "VERSION")]
    pub version: String,
    /// Where to write; NAME-VERSION.nica unless said.
    #[arg(long, value_name = "FILE")]
    pub out: Option<PathBuf>,
    /// The commit that was built; asked from git unless said.
    #[arg(long, value_name = "ID")]
    pub commit: Option<String>,
    /// The commit of the release before; the authors since then may not approve this one.
    #[arg(long, value_name = "ID")]
    pub since: Option<String>,
}

#[derive(Debug, Args)]
pub struct Env {
    /// dev, stage or prod.
    #[arg(long, value_name = "ENV")]
    pub env: String,
}

#[derive(Debug, Args)]
pub struct MaybeEnv {
    /// One environment; all of them unless said.
    #[arg(long, value_name = "ENV")]
    pub env: Option<String>,
}

#[derive(Debug, Args)]
pub struct Plan {
    #[command(flatten)]
    pub env: Env,
    #[arg(long, value_name = "FILE")]
    pub release: PathBuf,
    /// Where to write the plan file.
    #[arg(long, value_name = "FILE")]
    pub out: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub struct Deploy {
    #[command(flatten)]
    pub env: Env,
    #[arg(long, value_name = "FILE", required_unless_present = "plan")]
    pub release: Option<PathBuf>,
    /// A plan that was written before, and perhaps approved.
    #[arg(long, value_name = "FILE", conflicts_with = "release")]
    pub plan: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub struct State {
    /// The target's state folder.
    #[arg(long, value_name = "DIR")]
    pub state: PathBuf,
}

#[cfg(test)]
mod tests {
    #[test]
    fn no_two_arguments_share_a_name() {
        use clap::CommandFactory as _;
        super::Cli::command().debug_assert();
    }
}
