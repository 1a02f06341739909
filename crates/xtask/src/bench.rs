//! `./x bench NAME`: figures that the project promises, measured on this machine and printed beside their bars.
//!
//! A bench drives the programs as they are shipped (release builds) and takes its times from outside. It is red when a
//! bar is missed. What it found stands in `target/bench/NAME.json` afterwards.

mod deploy;
mod figures;
mod migrate;

use anyhow::{Context as _, Result, bail};
use figures::Figure;

struct Bench {
    name: &'static str,
    what: &'static str,
    run: fn() -> Result<Vec<Figure>>,
}

const BENCHES: &[Bench] = &[
    Bench {
        name: "deploy",
        what: "a plan without changes, a crash that is found, the way back",
        run: deploy::run,
    },
    Bench {
        name: "migrate",
        what: "migrate-seed from empty and with nothing to do, beside sqlx and Alembic; healthcheck",
        run: migrate::run,
    },
];

pub(crate) fn run(name: Option<&str>) -> Result<bool> {
    let Some(name) = name else {
        BENCHES.iter().for_each(|bench| println!("{:<10} {}", bench.name, bench.what));
        return Ok(true);
    };
    let Some(bench) = BENCHES.iter().find(|bench| bench.name == name) else {
        let names: Vec<&str> = BENCHES.iter().map(|bench| bench.name).collect();
        bail!("find bench `{name}`: there are {}", names.join(", "));
    };
    println!("bench {} · {}\n", bench.name, bench.what);
    let figures = (bench.run)()?;
    println!("{}", figures::table(&figures));
    keep(bench.name, &figures)?;
    Ok(figures.iter().all(Figure::holds))
}

fn keep(name: &str, figures: &[Figure]) -> Result<()> {
    let folder = crate::repo::root().join("target/bench");
    std::fs::create_dir_all(&folder).with_context(|| format!("make folder {}", folder.display()))?;
    let path = folder.join(format!("{name}.json"));
    let text =
        serde_json::to_string_pretty(&figures::json(name, figures)).context("write figures as JSON")?;
    std::fs::write(&path, text + "\n").with_context(|| format!("write {}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unknown_bench_is_told_the_known_ones() {
        let error = run(Some("nothing")).expect_err("no such bench").to_string();
        assert_eq!(error, "find bench `nothing`: there are deploy, migrate");
    }
}
