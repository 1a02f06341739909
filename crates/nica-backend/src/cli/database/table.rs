//! The two reports as people read them: the same facts as the JSON, one line each.

use nica_migrate::health::Health;
use nica_migrate::migrate_seed::Report;

/// Width of the first column.
const LABEL: usize = 20;

pub(super) fn health(health: &Health) -> String {
    let mut lines = vec![
        line("database", &health.database),
        line("verdict", &format!("{} ({} ms)", health.verdict, health.millis)),
    ];
    lines.extend(
        health.problems.iter().map(|problem| line(&format!("✗ {}", problem.state), &problem.sentence)),
    );
    lines.extend(health.notes.iter().map(|note| line(&format!("· {}", note.code), &note.sentence)));
    lines.concat()
}

pub(super) fn report(report: &Report) -> String {
    let seeds = &report.seeds;
    let mut lines = vec![line("database", verdict(report))];
    let lists = [
        ("applied", &report.applied),
        ("late", &report.late),
        ("pending", &report.pending),
        ("contracts pending", &report.contracts_pending),
        ("seeds pending", &report.seeds_pending),
    ];
    lines.extend(
        lists.iter().filter(|(_, ids)| !ids.is_empty()).map(|(label, ids)| line(label, &ids.join(", "))),
    );
    let counts = [
        ("seeds inserted", seeds.inserted.len()),
        ("seeds repaired", seeds.updated.len()),
        ("seeds retired", seeds.retired.len()),
        ("seeds kept local", seeds.local.len()),
    ];
    lines.extend(
        counts.iter().filter(|(_, rows)| *rows > 0).map(|(label, rows)| line(label, &rows.to_string())),
    );
    lines.concat()
}

fn verdict(report: &Report) -> &'static str {
    match (report.managed, report.is_complete(), report.wrote()) {
        (true, true, _) => "managed by a deployer; nothing is missing",
        (true, false, _) => "managed by a deployer; only it may add what is missing",
        (false, true, true) => "brought up to what this program needs",
        (false, true, false) => "has what this program needs; nothing was changed",
        (false, false, _) => "not complete: something waits for a contract",
    }
}

fn line(label: &str, text: &str) -> String {
    format!("{label:<LABEL$} {text}\n")
}
