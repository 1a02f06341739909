//! A plan without changes, a crash that is found, and the way back: timed on one environment without rules.
//!
//! The moment of a crash is the last write of the crashing replica's log, which names its refusal and ends; the moment
//! of the verdict is when the deployer's line about it arrives. Both are wall clock of this machine.

use super::figures::{Figure, Share};
use crate::demo::{Nica, Place, Postgres, Profile, build_nica, copy_folder, plain_service, version};
use crate::repo;
use anyhow::{Context as _, Result, ensure};
use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant, SystemTime};

const PLANS: usize = 20;
const CRASHES: usize = 10;
const REPLICAS: usize = 2;
const LIMIT: Duration = Duration::from_secs(60);
const POLL: Duration = Duration::from_millis(2);

struct Bench<'a> {
    place: &'a Place,
    nica: Nica,
    address: SocketAddr,
}

pub(super) fn run() -> Result<Vec<Figure>> {
    let place = Place::make()?;
    let figures = measure(&place);
    place.clear()?;
    figures
}

fn measure(place: &Place) -> Result<Vec<Figure>> {
    let bench = prepare(place)?;
    let by_hand = by_hand(&bench)?;
    let first = bench.deploy("good", 0)?;
    let mut figures = vec![
        told("a first deploy, from start to settled", vec![first]),
        told("the same processes started by hand, until ready", vec![by_hand]),
    ];
    let plan = bench.args("good", "plan");
    figures.push(Figure::measure(
        "plan without changes",
        Share::Median,
        Duration::from_millis(200),
        PLANS,
        || bench.nica.run(&words(&plan), LIMIT)?.expect(0).map(drop),
    )?);
    let crashes = (0..CRASHES).map(|_| bench.crash()).collect::<Result<Vec<_>>>()?;
    let (verdicts, backs) = crashes.into_iter().unzip();
    figures.push(figure("crash signal to verdict", Share::Percentile99, verdicts, Duration::from_secs(1)));
    figures.push(figure(
        "verdict to settled back at the old release",
        Share::Longest,
        backs,
        Duration::from_secs(10),
    ));
    Ok(figures)
}

fn told(what: &str, samples: Vec<Duration>) -> Figure {
    Figure { what: what.to_string(), of: Share::Median, samples, bar: None }
}

fn figure(what: &str, of: Share, samples: Vec<Duration>, bar: Duration) -> Figure {
    Figure { what: what.to_string(), of, samples, bar: Some(bar) }
}

/// A database, both programs, and two releases of the same executable: the second has a value that it refuses.
fn prepare(place: &Place) -> Result<Bench<'_>> {
    for folder in ["bin", "logs", "run", "state"] {
        fs::create_dir(place.folder.join(folder)).with_context(|| format!("make folder {folder}"))?;
    }
    let program = build_nica(Profile::Release, &place.folder.join("bin"))?;
    let service = plain_service(Profile::Release, None, &place.folder)?;
    let postgres = Postgres::start(place)?;
    let mut nica = Nica::new(program, place.folder.clone(), place.folder.join("logs"));
    nica.variables = variables(place, &postgres)?;
    let bench = Bench { place, nica, address: place.listen(0, 0).parse()? };
    for (name, own) in [("good", ""), ("bad", ", DB_POOL_MAX = \"0\"")] {
        let folder = place.folder.join(name);
        for sources in ["migrations", "seeds"] {
            copy_folder(&repo::root().join(sources), &folder.join(sources))?;
        }
        fs::copy(&service, folder.join("nica-backend")).context("copy the service")?;
        fs::write(folder.join("nica.toml"), policy(place, own)).context("write nica.toml")?;
        let create = ["release", "create", "--version", name, "--commit", "bench", "--out"];
        let mut args = vec!["--config".to_string(), folder.join("nica.toml").display().to_string()];
        args.extend(create.iter().map(ToString::to_string));
        args.push(bench.release(name));
        bench.nica.run(&words(&args), LIMIT)?.expect(0)?;
    }
    Ok(bench)
}

fn variables(place: &Place, postgres: &Postgres) -> Result<Vec<(String, String)>> {
    postgres.create_database("nica_dev")?;
    postgres.create_database("nica_by_hand")?;
    let set = |name: &str, value: String| (name.to_string(), value);
    Ok(vec![
        set("DEV_DATABASE_URL", postgres.url("nica_dev")),
        set("BY_HAND_DATABASE_URL", postgres.url("nica_by_hand")),
        set("DEV_AUTH_SECRET", "0123456789abcdef".repeat(4)),
        set("XDG_RUNTIME_DIR", place.folder.join("run").display().to_string()),
    ])
}

fn policy(place: &Place, own: &str) -> String {
    format!(
        "[service]\nname = \"nica\"\n\n[[component]]\nname = \"backend\"\nexecutable = \"nica-backend\"\nmigrates = true\n\n\
         [env.dev]\ntarget = {{ kind = \"process\", state = \"{}\" }}\n\
         validate = {{ bake = \"1s\", bake_max = \"20s\", min_samples = 5, probes_per_second = 20 }}\n\
         limits = {{ rollout = \"30s\", undo = \"30s\", drain = \"500ms\" }}\n\n\
         [env.dev.component.backend]\nexec = \"serve\"\nreplicas = {REPLICAS}\nlisten = \"{}\"\n\
         config = {{ LOG_LEVEL = \"info\"{own} }}\n\
         secrets = {{ AUTH_SECRET = {{ env = \"DEV_AUTH_SECRET\" }}, DATABASE_URL = {{ env = \"DEV_DATABASE_URL\" }} }}\n",
        place.folder.join("state").display(),
        place.listen(0, 0),
    )
}

impl Bench<'_> {
    fn release(&self, name: &str) -> String {
        self.place.folder.join(format!("{name}.nica")).display().to_string()
    }

    fn args(&self, name: &str, command: &str) -> Vec<String> {
        let config = self.place.folder.join(name).join("nica.toml").display().to_string();
        let release = self.release(name);
        ["--json", "--config", &config, command, "--env", "dev", "--release", &release]
            .map(str::to_string)
            .to_vec()
    }

    fn deploy(&self, name: &str, code: i32) -> Result<Duration> {
        let args = self.args(name, "deploy");
        Ok(self.nica.run(&words(&args), LIMIT)?.expect(code)?.took)
    }

    /// Deploys the release that cannot start: from its last word to the verdict, and from there to the end.
    fn crash(&self) -> Result<(Duration, Duration)> {
        let before = version(self.address)?;
        let args = self.args("bad", "deploy");
        let mut running = self.nica.start(&words(&args))?;
        let until = Instant::now() + LIMIT;
        while !running.said("turned_back")? {
            ensure!(running.is_running()? && Instant::now() < until, "see the crash found within {LIMIT:?}");
            std::thread::sleep(POLL);
        }
        let verdict = now();
        running.wait(LIMIT)?.expect(20)?;
        let end = now();
        ensure!(version(self.address)? == before, "see the old release serve again");
        let crash = last_word(&self.place.folder.join("state/logs"), "failed to read configuration")?;
        let between = |from: SystemTime, to: SystemTime| to.duration_since(from).unwrap_or_default();
        Ok((between(crash, verdict), between(verdict, end)))
    }
}

/// The same replicas without NICA: up to date, then started one by one until each is ready.
fn by_hand(bench: &Bench<'_>) -> Result<Duration> {
    let program = bench.place.folder.join("good/nica-backend");
    let url = bench.nica.variables.iter().find(|(name, _)| name == "BY_HAND_DATABASE_URL");
    let (_, url) = url.context("set above")?;
    let began = Instant::now();
    let up = Command::new(&program).args(["migrate-seed", "--url", url]).stdin(Stdio::null()).output();
    ensure!(up.context("start migrate-seed")?.status.success(), "bring the database up by hand");
    let mut replicas = Vec::new();
    for number in 0..REPLICAS {
        let address: SocketAddr = bench.place.listen(1, number).parse()?;
        let replica = Command::new(&program)
            .arg("serve")
            .env("DATABASE_URL", url)
            .env("AUTH_SECRET", "0123456789abcdef".repeat(4))
            .env("LISTEN", address.to_string())
            .env("ADMIN_LISTEN", bench.place.listen(2, number))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .spawn();
        replicas.push(replica.context("start a replica by hand")?);
        while !crate::demo::is_ready(address) {
            ensure!(began.elapsed() < LIMIT, "see a replica ready by hand");
            std::thread::sleep(POLL);
        }
    }
    let took = began.elapsed();
    for mut replica in replicas {
        replica.kill().and_then(|()| replica.wait()).context("end a replica")?;
    }
    Ok(took)
}

/// When a log that holds these words was written last.
fn last_word(logs: &Path, words: &str) -> Result<SystemTime> {
    let entries = fs::read_dir(logs).with_context(|| format!("read {}", logs.display()))?;
    let files: Vec<PathBuf> = entries.filter_map(Result::ok).map(|entry| entry.path()).collect();
    let holds = |file: &PathBuf| fs::read_to_string(file).is_ok_and(|text| text.contains(words));
    let times =
        files.iter().filter(|file| holds(file)).filter_map(|file| fs::metadata(file).ok()?.modified().ok());
    times.max().with_context(|| format!("find `{words}` in {}", logs.display()))
}

#[allow(clippy::disallowed_methods, reason = "compared with the times of files")]
fn now() -> SystemTime {
    SystemTime::now()
}

fn words(args: &[String]) -> Vec<&str> {
    args.iter().map(String::as_str).collect()
}
