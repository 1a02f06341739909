//! How a tree looks: lines of at most the terminal's width, and no more of them than it has rows.
//!
//! What is over takes the least room: when rows are short, finished groups become one line first, then the log is
//! cut from its old end, then whatever stands in the middle goes.

use super::group::{BAKE, Group, Mark, span};
use super::{Failed, Tree, Undo};
use nica_engine::next::Ending;
use std::time::Duration;
use unicode_width::{UnicodeWidthChar as _, UnicodeWidthStr as _};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::output) struct Size {
    pub(in crate::output) rows: usize,
    pub(in crate::output) cols: usize,
}

/// Without colour: the terminal's side knows the signs.
type Line = String;

const NAME_COLS: usize = 18;
const TIME_COLS: usize = 10;
/// Before the name: two blanks, the sign, a blank.
const MARGIN_COLS: usize = 4;
/// A diagnosis longer than this is cut while the run goes on; the last picture has all of it.
const REASON_LINES_MAX: usize = 3;

/// `whole`: everything, however high, for the scroll-back.
pub(in crate::output) fn draw(tree: &Tree, size: Size, now: Duration, whole: bool) -> Vec<Line> {
    // The last column stays free: a terminal that wraps there would count another row than we do.
    let cols = size.cols.saturating_sub(1).max(20);
    let rows = if whole { usize::MAX } else { size.rows.saturating_sub(1).max(3) };
    let pen = Pen { cols, now };
    let head = vec![pen.cut(&title(tree, cols))];
    let tail = tail(tree, &pen, if whole { usize::MAX } else { REASON_LINES_MAX });
    let mut middle = groups(tree, &pen);
    if head.len() + middle.len() + tail.len() > rows {
        middle = collapsed(tree, &pen);
    }
    fit([head, middle, tail].concat(), rows)
}

struct Pen {
    cols: usize,
    now: Duration,
}

fn title(tree: &Tree, cols: usize) -> String {
    let outline = &tree.outline;
    let Some(run) = &tree.run else { return format!("deploy {}", tree.words) };
    let approved = match outline.approved_by.as_slice() {
        [] => String::new(),
        people => format!("   approved by {}", people.join(", ")),
    };
    let title = format!("deploy {} → {}   plan {}{approved}", outline.version, outline.env, outline.plan);
    let run = Some(format!("   run {run}")).filter(|run| title.width() + run.width() <= cols);
    title + &run.unwrap_or_default()
}

fn groups(tree: &Tree, pen: &Pen) -> Vec<Line> {
    let begun = tree.groups.iter().filter(|group| group.mark != Mark::Pending);
    begun.map(|group| pen.group(group)).chain(pending(tree, pen)).collect()
}

/// Finished groups in one line.
fn collapsed(tree: &Tree, pen: &Pen) -> Vec<Line> {
    let of = |mark: Mark| tree.groups.iter().filter(move |group| group.mark == mark);
    let done: Vec<&str> = of(Mark::Done).map(|group| group.name.as_str()).collect();
    let done = (!done.is_empty()).then(|| pen.cut(&format!("  ✓ {}", done.join(" · "))));
    let open = tree.groups.iter().filter(|group| matches!(group.mark, Mark::Running | Mark::Failed));
    done.into_iter().chain(open.map(|group| pen.group(group))).chain(pending(tree, pen)).collect()
}

/// What is still to come, in one line; nothing is to come once the run goes back.
fn pending(tree: &Tree, pen: &Pen) -> Option<Line> {
    let names = tree.groups.iter().filter(|group| group.mark == Mark::Pending).map(|group| {
        match group.name.as_str() {
            BAKE => format!("bake {}", group.detail),
            name => name.to_string(),
        }
    });
    let names: Vec<String> = names.collect();
    (!names.is_empty() && tree.undo.is_none()).then(|| pen.cut(&format!("  · {}", names.join(" · "))))
}

/// What went wrong, and the way back.
fn tail(tree: &Tree, pen: &Pen, reason_lines: usize) -> Vec<Line> {
    let mut lines = Vec::new();
    if let Some(failed) = &tree.failed {
        let rolled = |name: &String| tree.groups.iter().any(|g| g.name == *name && g.mark == Mark::Failed);
        let component = failed.component.as_ref().filter(|name| rolled(name));
        let said = match component {
            Some(component) => format!("failed to roll out {component}: {}", failed.reason),
            None => format!("turned back: {}", failed.reason),
        };
        lines.extend(pen.failed(&said, failed, reason_lines));
    }
    if let Some(undo) = &tree.undo {
        lines.extend(pen.undo(undo, tree.ending, reason_lines));
    }
    if tree.interrupted && tree.ending.is_none() {
        lines.push(pen.cut("  · interrupted: the running effect ends first; a second signal ends at once"));
    }
    lines
}

impl Pen {
    fn group(&self, group: &Group) -> Line {
        let (sign, took) = match group.mark {
            Mark::Pending => ('·', None),
            Mark::Running => ('▸', group.began.map(|began| self.now.saturating_sub(began))),
            Mark::Done => ('✓', group.took),
            Mark::Failed => ('✗', group.took),
        };
        let detail = match group.until {
            // Samples are missing; it waits for them up to its longest.
            Some(until) if until <= self.now => "longer than planned".to_string(),
            Some(until) => format!("{} left", span(ceil(until.saturating_sub(self.now)))),
            None => group.detail.clone(),
        };
        self.line(sign, &group.name, &detail, took)
    }

    fn failed(&self, said: &str, failed: &Failed, lines_max: usize) -> Vec<Line> {
        let mut lines = wrapped(&clean(said), self.cols);
        if lines.len() > lines_max {
            lines.truncate(lines_max);
            let last = lines.pop().unwrap_or_default();
            lines.push(cut(&last, self.cols.saturating_sub(1)) + "…");
        }
        if let (Some(component), false) = (&failed.component, failed.log.is_empty()) {
            lines.push(self.cut(&format!("    ┌ {component}, last lines")));
            lines.extend(failed.log.iter().flat_map(|line| self.logged(&clean(line), lines_max)));
        }
        lines
    }

    /// One row a line while the run goes on, all of it in the last picture.
    fn logged(&self, line: &str, lines_max: usize) -> Vec<Line> {
        if lines_max != usize::MAX {
            return vec![self.cut(&format!("    │ {line}"))];
        }
        wrapped(line, self.cols.saturating_sub(6).max(8)).iter().map(|part| format!("    │ {part}")).collect()
    }

    fn undo(&self, undo: &Undo, ending: Option<Ending>, lines_max: usize) -> Vec<Line> {
        let took = undo.took.unwrap_or_else(|| self.now.saturating_sub(undo.since));
        let mut parts = undo.parts.clone();
        parts.extend(undo.waits_for.clone());
        if parts.is_empty() && ending.is_none() {
            parts.push("going back".to_string());
        }
        let room = self.detail_cols();
        let mut details = wrapped(&parts.join(", "), room);
        // The newest words matter most.
        details.drain(..details.len().saturating_sub(lines_max));
        let mut lines = vec![self.line('↺', "undo", details.first().map_or("", String::as_str), Some(took))];
        lines.extend(
            details
                .iter()
                .skip(1)
                .map(|more| self.cut(&format!("{:width$}{more}", "", width = MARGIN_COLS + NAME_COLS + 1))),
        );
        lines
    }

    fn detail_cols(&self) -> usize {
        self.cols.saturating_sub(MARGIN_COLS + NAME_COLS + 1 + TIME_COLS).max(8)
    }

    fn line(&self, sign: char, name: &str, detail: &str, took: Option<Duration>) -> Line {
        let (name, detail) = (cut(name, NAME_COLS), clean(detail));
        let begin = format!("  {sign} {}{} ", name, " ".repeat(NAME_COLS - name.width()));
        let Some(took) = took else { return self.cut(format!("{begin}{detail}").trim_end()) };
        let detail = cut(&detail, self.detail_cols());
        let gap = " ".repeat(self.detail_cols() - detail.width());
        self.cut(&format!("{begin}{detail}{gap}{:>8.1} s", took.as_secs_f64()))
    }

    fn cut(&self, line: &str) -> Line {
        cut(line, self.cols)
    }
}

/// At most so many columns; what is cut off is seen to be.
fn cut(text: &str, cols: usize) -> String {
    if text.width() <= cols {
        return text.to_string();
    }
    let mut used = 1;
    let fits = text.chars().take_while(|c| {
        used += c.width().unwrap_or(0);
        used <= cols
    });
    fits.chain(['…']).collect()
}

/// Logs are other programs' words: an escape sequence in them must not reach the terminal.
fn clean(text: &str) -> String {
    let shown = |c: char| match c {
        '\t' | '\n' => ' ',
        c if c.is_control() => '·',
        c => c,
    };
    text.chars().map(shown).collect()
}

/// Between words where that is possible.
fn wrapped(text: &str, cols: usize) -> Vec<String> {
    let mut lines = vec![String::new()];
    for word in text.split(' ') {
        let last = lines.last_mut().expect("begins with one");
        let joined = if last.is_empty() { word.to_string() } else { format!("{last} {word}") };
        if joined.width() <= cols || last.is_empty() {
            *last = cut(&joined, cols);
        } else {
            lines.push(cut(word, cols));
        }
    }
    lines
}

/// The head and as much of the end as there is room for.
fn fit(mut lines: Vec<Line>, rows: usize) -> Vec<Line> {
    if lines.len() > rows {
        lines.drain(1..=lines.len() - rows);
    }
    lines
}

fn ceil(span: Duration) -> Duration {
    Duration::from_secs(span.as_secs() + u64::from(span.subsec_nanos() > 0))
}
