//! The command line as data: what can be said, with its help. What it means stands in `commands`.

use clap::{Args, Parser, Subcommand};
use std::path::PathBuf;

/// Carry a Postgres-backed service from a commit to production, and always carry it back.
#[derive(Debug, Parser)]
#[command(name = "nica", version, infer_long_args = true, arg_required_else_help = true)]
pub(crate) struct Cli {
    #[command(flatten)]
    pub global: Global,
    #[command(subcommand)]
    pub command: Command,
}

#[derive(Debug, Clone, Args)]
pub(crate) struct Global {
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
pub(crate) enum Color {
    Auto,
    Always,
    Never,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Make and inspect the immutable release file; sign evidence over its hash.
    #[command(subcommand)]
    Release(Release),
    /// Say what is missing or wrong before anything is tried, each with its remedy.
    #[command(
        after_help = "Examples:\n  nica doctor              this machine and every environment\n  nica doctor --env prod\n\nExit 0: all is right; 1: something is wrong; 13: something could not be looked at."
    )]
    Doctor(MaybeEnv),
    /// Say what would happen, as a diff, with gates; write the plan file.
    #[command(after_help = "Example:\n  nica plan --env prod --release nica-2026.11.3.nica --out prod.plan")]
    Plan(Plan),
    /// Plan if needed, gate, apply, validate, bake, finish or undo.
    #[command(
        after_help = "Examples:\n  nica deploy --env dev --release nica-2026.11.3.nica\n  nica deploy --env prod --plan prod.plan\n  nica deploy --env prod --plan prod.plan --waive promoted/soak --reason \"a fix for everybody\" --until 4h --key ~/.ssh/id_ed25519"
    )]
    Deploy(Deploy),
    /// Deploy an earlier release, by the same rules.
    Rollback(Rollback),
    /// Apply the live release's contract migrations, forward only, once no older program can commit any more.
    #[command(
        after_help = "Examples:\n  nica contract --env dev\n  nica contract --env prod --out contract.plan\n  nica contract --env prod --plan contract.plan"
    )]
    Contract(Contract),
    /// Finish an open run; what a timer calls.
    Resume(Env),
    /// Turn an open run back, if it has not committed.
    Abort(Env),
    /// Take a stuck run's state as it is: write it down, have two people sign it, settle the run with it.
    #[command(
        after_help = "Examples:\n  nica accept-state --env prod --out state.json --reason \"the old version is mended by hand\"\n  nica approve state.json --key ~/.ssh/id_ed25519\n  nica accept-state --env prod --file state.json"
    )]
    AcceptState(AcceptState),
    /// Sign a plan's hash with an SSH key.
    #[command(after_help = "Example:\n  nica approve prod.plan --key ~/.ssh/id_ed25519")]
    Approve(Approve),
    /// Say where an environment stands.
    Status(MaybeEnv),
    /// Say what happened in an environment.
    History(Env),
    /// Verify or show the hash chain of an environment's runs.
    #[command(subcommand)]
    Ledger(Ledger),
    /// The database: migrations, seeds, health, drift.
    #[command(subcommand)]
    Db(Db),
    /// Say what a finding means and what to do about it.
    Explain {
        /// A gate, `promoted`, or one of its findings, `promoted/soak`.
        id: String,
    },
    /// Print each value of nica.toml and people.toml with its place.
    Config {
        /// The place of each value.
        #[arg(long)]
        origin: bool,
    },
    /// Run the supervisor of a `process` target.
    Supervise(State),
    /// Hold the listening sockets of a `process` target.
    Keep(State),
}

#[derive(Debug, Subcommand)]
pub(crate) enum Release {
    /// Collect executables, migrations, seeds and config into one file.
    #[command(after_help = "Example:\n  nica release create --version 2026.11.3 --out nica-2026.11.3.nica")]
    Create(Create),
    /// Sign what CI or somebody else saw about a release, over its hash.
    #[command(
        after_help = "Example:\n  nica release evidence --release nica-1.nica --kind ci target/ci/*.json --key ci_key"
    )]
    Evidence(Evidence),
    /// Print what a release file holds.
    Show {
        file: PathBuf,
        /// Of this environment, the Kubernetes objects as they are applied. Secrets are named as if their values were
        /// unknown.
        #[arg(long)]
        env: Option<String>,
    },
    /// Check every byte of a release file against its own list.
    Verify { file: PathBuf },
}

#[derive(Debug, Args)]
pub(crate) struct Create {
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
    /// What a component's image is: its reference with @sha256:…, or a tag to ask the registry for. Unless said, the
    /// tag is the release's version.
    #[arg(long = "image", value_name = "NAME=REF")]
    pub images: Vec<String>,
}

#[derive(Debug, Args)]
pub(crate) struct Evidence {
    #[arg(long, value_name = "FILE")]
    pub release: PathBuf,
    /// The signer in nica.toml whose word this is: `ci`.
    #[arg(long)]
    pub kind: String,
    /// Result files, each with its checks.
    #[arg(required = true)]
    pub files: Vec<PathBuf>,
    /// An OpenSSH private key.
    #[arg(long, value_name = "FILE")]
    pub key: PathBuf,
}

#[derive(Debug, Args)]
pub(crate) struct AcceptState {
    #[command(flatten)]
    pub env: Env,
    /// Write down what is there, for people to sign.
    #[arg(long, value_name = "FILE", requires = "reason", conflicts_with = "file")]
    pub out: Option<PathBuf>,
    /// Why nothing else is possible; part of what is signed.
    #[arg(long, value_name = "TEXT")]
    pub reason: Option<String>,
    /// Settle the run with this signed state.
    #[arg(long, value_name = "FILE", required_unless_present = "out")]
    pub file: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(crate) struct Approve {
    /// The plan file, or a state that accept-state wrote.
    pub plan: PathBuf,
    /// An OpenSSH private key, ed25519.
    #[arg(long, value_name = "FILE", env = "NICA_KEY")]
    pub key: PathBuf,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Ledger {
    /// Check the chain; needs no network with --file.
    Verify(LedgerVerify),
    /// Print every entry.
    Show(Env),
}

#[derive(Debug, Subcommand)]
pub(crate) enum Db {
    /// Apply expand migrations and seeds; where a deployer manages the database, only verify.
    MigrateSeed(Database),
    /// Say whether the database is as the files say. Never writes.
    Healthcheck(Database),
    /// Migrations by hand, where no deployer manages the database.
    #[command(subcommand)]
    Migrate(Migrate),
    /// Each migration and its state.
    Status(Env),
    /// Whether applied migrations still have the text of their files.
    Verify(Env),
    /// Try migrations on a throw-away database, up, down and up again, and say what a deploy would say.
    #[command(
        after_help = "Examples:\n  nica db certify              each on top of those before it\n  nica db certify --env prod   those that prod lacks, as one release"
    )]
    Certify(MaybeEnv),
    /// The schema as text, or as a diff against another environment or a kept text.
    Diff(DbDiff),
    /// Take over what sqlx, refinery, dbmate or Flyway have applied; their table stays as it is.
    #[command(
        after_help = "Checks the tool's ledger against its files, and the schema against what those files make on a throw-away\ndatabase; then its migrations are NICA's, and the next ones may be written in either form. Exits 4 when a dry run\nfinds something to take over, 1 when something speaks against it.\n\nExamples:\n  nica db adopt --env dev --dry-run\n  nica db adopt --env prod --from sqlx db/migrations"
    )]
    Adopt(DbAdopt),
}

#[derive(Debug, Subcommand)]
pub(crate) enum Migrate {
    /// Take back what was applied after a migration, latest first, from stored text.
    #[command(after_help = "Example:\n  nica db migrate down --url postgresql:///app --to 0003_notes")]
    Down(Down),
}

#[derive(Debug, Args)]
pub(crate) struct Down {
    #[command(flatten)]
    pub database: Database,
    /// The migration that stays, with everything before it; `0` takes back all of them.
    #[arg(long, value_name = "ID")]
    pub to: String,
}

#[derive(Debug, Args)]
pub(crate) struct Database {
    /// The database; DATABASE_URL unless said.
    #[arg(long, value_name = "URL")]
    pub url: Option<String>,
    /// Whose database it must be; dev unless said.
    #[arg(long, value_name = "ENV")]
    pub env: Option<String>,
}

#[derive(Debug, Args)]
pub(crate) struct DbDiff {
    #[arg(long, value_name = "ENV")]
    pub env: String,
    /// Another environment, or a file with a fingerprint's text.
    #[arg(long, value_name = "ENV|FILE")]
    pub with: Option<String>,
}

#[derive(Debug, Args)]
pub(crate) struct DbAdopt {
    /// dev, stage or prod.
    #[arg(long, value_name = "ENV")]
    pub env: String,
    /// The database; the environment's unless said.
    #[arg(long, value_name = "URL")]
    pub url: Option<String>,
    /// Whose ledger it is; `auto` takes the only one that is there.
    #[arg(long, value_name = "TOOL", default_value = "auto")]
    pub from: From,
    /// The ledger's table, where it has a name of its own.
    #[arg(long, value_name = "TABLE")]
    pub table: Option<String>,
    /// Say what would be taken over, and write nothing.
    #[arg(long)]
    pub dry_run: bool,
    /// The tool's folder; the service's migrations unless said.
    #[arg(value_name = "FOLDER")]
    pub folder: Option<PathBuf>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum From {
    Auto,
    Sqlx,
    Refinery,
    Dbmate,
    Flyway,
}

#[derive(Debug, Args)]
pub(crate) struct LedgerVerify {
    #[arg(long, value_name = "ENV")]
    pub env: Option<String>,
    /// Rows as JSON, `[{n, entry, prev, hash}]`.
    #[arg(long, value_name = "FILE", conflicts_with = "env")]
    pub file: Option<PathBuf>,
    /// ENTRIES:HASH, as an earlier deploy printed it.
    #[arg(long)]
    pub anchor: Option<String>,
}

#[derive(Debug, Args)]
pub(crate) struct Env {
    /// dev, stage or prod.
    #[arg(long, value_name = "ENV")]
    pub env: String,
}

#[derive(Debug, Args)]
pub(crate) struct MaybeEnv {
    /// One environment; all of them unless said.
    #[arg(long, value_name = "ENV")]
    pub env: Option<String>,
}

#[derive(Debug, Args)]
pub(crate) struct Plan {
    #[command(flatten)]
    pub env: Env,
    #[arg(long, value_name = "FILE")]
    pub release: PathBuf,
    /// Where to write the plan file.
    #[arg(long, value_name = "FILE")]
    pub out: Option<PathBuf>,
    #[command(flatten)]
    pub waive: Waive,
}

#[derive(Debug, Default, Args)]
pub(crate) struct Waive {
    /// Take a finding, or all of a gate, upon yourself: `promoted/soak`. Needs --reason, --until and --key.
    #[arg(long, value_name = "ID")]
    pub waive: Vec<String>,
    /// Why it is waived; kept in the ledger.
    #[arg(long, value_name = "TEXT", requires = "waive")]
    pub reason: Option<String>,
    /// How long the waiver holds: 4h, or 2026-11-26T18:00Z.
    #[arg(long, value_name = "TIME", requires = "waive")]
    pub until: Option<String>,
    /// The OpenSSH private key of whoever waives.
    #[arg(long, value_name = "FILE", env = "NICA_KEY")]
    pub key: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(crate) struct Deploy {
    #[command(flatten)]
    pub env: Env,
    #[arg(long, value_name = "FILE", required_unless_present = "plan")]
    pub release: Option<PathBuf>,
    /// A plan that was written before, and perhaps approved.
    #[arg(long, value_name = "FILE", conflicts_with = "release")]
    pub plan: Option<PathBuf>,
    #[command(flatten)]
    pub waive: Waive,
}

#[derive(Debug, Args)]
pub(crate) struct Contract {
    #[command(flatten)]
    pub env: Env,
    /// The live release's file; read from the records unless said.
    #[arg(long, value_name = "FILE")]
    pub release: Option<PathBuf>,
    /// A plan that was written before, and perhaps approved.
    #[arg(long, value_name = "FILE")]
    pub plan: Option<PathBuf>,
    /// Only plan: write the plan file and open nothing.
    #[arg(long, value_name = "FILE", conflicts_with = "plan")]
    pub out: Option<PathBuf>,
    #[command(flatten)]
    pub waive: Waive,
}

#[derive(Debug, Args)]
pub(crate) struct Rollback {
    #[command(flatten)]
    pub env: Env,
    /// The release file to go back to; unless said, what was live before, from the records.
    #[arg(long, value_name = "FILE")]
    pub to: Option<PathBuf>,
    #[command(flatten)]
    pub waive: Waive,
}

#[derive(Debug, Args)]
pub(crate) struct State {
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
