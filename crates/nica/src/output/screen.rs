//! The tree on a terminal: a thread draws it ten times a second over what it drew before.
//!
//! Whoever tells it something only changes a state, so a terminal that is stopped (Ctrl-S) stops no deploy. The cursor
//! is never hidden and no mode is set: it stands below the tree between two pictures, so there is nothing to restore,
//! whatever ends the process. The terminal is one thing of the whole process, hence the two statics.

use super::human::coloured;
use super::tree::{Size, Told, Tree, draw};
use nica_effects::event::Event;
use std::io::{self, Write};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};
use unicode_width::UnicodeWidthStr as _;

/// What is known; never held while something is written.
static LIVE: Mutex<Option<Live>> = Mutex::new(None);
/// What is drawn; held while something is written.
static DRAWN: Mutex<Drawn> = Mutex::new(Drawn { widths: Vec::new(), text: String::new() });

const PAUSE: Duration = Duration::from_millis(100);
/// Where the terminal does not say.
const USUAL: Size = Size { rows: 24, cols: 80 };
/// The terminal shows what comes between the two at once (synchronized output); those that do not know it ignore it.
const BEGIN: &str = "\u{1b}[?2026h";
const END: &str = "\u{1b}[?2026l";

struct Live {
    tree: Tree,
    since: Instant,
    color: bool,
    /// None once it was asked to end.
    painter: Option<JoinHandle<()>>,
}

struct Drawn {
    /// Columns of each line that stands above the cursor.
    widths: Vec<usize>,
    text: String,
}

/// `words`: what the command is about, before a run says more.
pub(super) fn tell(words: &str, color: bool, event: Event) {
    let mut live = lock(&LIVE);
    let live = live.get_or_insert_with(|| Live {
        tree: Tree::new(words),
        since: Instant::now(),
        color,
        painter: Some(std::thread::spawn(paint_on)),
    });
    live.told(&Told::Event(event));
}

pub(super) fn interrupted() {
    if let Some(live) = lock(&LIVE).as_mut() {
        live.told(&Told::Interrupted);
    }
}

/// Leave the whole tree above the cursor. Whatever is printed next stands below it.
pub(super) fn finish() {
    let Some(mut live) = lock(&LIVE).take() else { return };
    let painter = live.painter.take();
    // A painter that panics ends the tree itself.
    if let Some(painter) = painter.filter(|p| p.thread().id() != std::thread::current().id()) {
        painter.thread().unpark();
        painter.join().ok();
    }
    lock(&DRAWN).paint(&live, true);
    *lock(&DRAWN) = Drawn { widths: Vec::new(), text: String::new() };
}

/// The panic's own words come below the tree, and the tree stays.
pub(super) fn finish_on_panic() {
    let before = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |info| {
        // Whoever panics while it holds one of the two would wait for itself.
        let free = LIVE.try_lock().is_ok() && DRAWN.try_lock().is_ok();
        if free {
            finish();
        }
        before(info);
    }));
}

/// Lines that belong to no run, above the tree.
pub(super) fn above() -> impl Write {
    Above
}

struct Above;

impl Write for Above {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let mut drawn = lock(&DRAWN);
        let up = drawn.up(size().cols);
        drawn.widths.clear();
        drawn.text.clear();
        let mut stderr = io::stderr().lock();
        stderr.write_all(up.as_bytes())?;
        stderr.write_all(bytes)?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        io::stderr().flush()
    }
}

impl Live {
    fn told(&mut self, told: &Told) {
        let tree = std::mem::take(&mut self.tree);
        self.tree = tree.tell(self.since.elapsed(), told);
    }
}

fn paint_on() {
    loop {
        std::thread::park_timeout(PAUSE);
        let Some(live) = lock(&LIVE).as_ref().map(Live::picture) else { return };
        lock(&DRAWN).paint(&live, false);
    }
}

impl Live {
    /// As it is now, to be drawn without holding anybody up.
    fn picture(&self) -> Live {
        Live { tree: self.tree.clone(), since: self.since, color: self.color, painter: None }
    }
}

impl Drawn {
    /// Draw over what was drawn, all in one write so that nothing flickers.
    fn paint(&mut self, live: &Live, whole: bool) {
        let size = size();
        let lines = draw(&live.tree, size, live.since.elapsed(), whole);
        let text: String =
            lines.iter().map(|line| format!("{}\u{1b}[K\r\n", shown(line, live.color))).collect();
        if text == self.text {
            return;
        }
        let picture = format!("{BEGIN}{}{text}{END}", self.up(size.cols));
        // Nothing can be done about a terminal that is gone.
        let _ = io::stderr().lock().write_all(picture.as_bytes());
        self.widths = lines.iter().map(|line| line.width()).collect();
        self.text = text;
    }

    /// To the first line of what was drawn, and clear from there. Where the terminal became narrower, a line takes
    /// several rows now.
    fn up(&self, cols: usize) -> String {
        let rows: usize = self.widths.iter().map(|width| width.div_ceil(cols.max(1)).max(1)).sum();
        if rows == 0 { String::new() } else { format!("\r\u{1b}[{rows}A\u{1b}[J") }
    }
}

/// The sign of a line in its colour.
fn shown(line: &str, color: bool) -> String {
    let sign = line.strip_prefix("  ").and_then(|rest| rest.chars().next());
    match sign.filter(|sign| color && "✓▸·✗↺".contains(*sign)) {
        Some(sign) => format!("  {}{}", coloured(sign), &line[2 + sign.len_utf8()..]),
        None => line.to_string(),
    }
}

fn size() -> Size {
    let said = rustix::termios::tcgetwinsize(io::stderr()).ok().filter(|s| s.ws_row > 0 && s.ws_col > 0);
    said.map_or(USUAL, |s| Size { rows: s.ws_row.into(), cols: s.ws_col.into() })
}

/// A panic elsewhere must not take the last picture with it.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_narrower_terminal_is_climbed_by_the_rows_that_lines_take_now() {
        let drawn = Drawn { widths: vec![79, 30, 0], text: String::new() };
        assert_eq!(drawn.up(80), "\r\u{1b}[3A\u{1b}[J");
        assert_eq!(drawn.up(40), "\r\u{1b}[4A\u{1b}[J");
        assert_eq!(Drawn { widths: Vec::new(), text: String::new() }.up(80), "");
    }

    #[test]
    fn only_signs_are_coloured() {
        assert_eq!(shown("  ✓ admitted", true), "  \u{1b}[32m✓\u{1b}[0m admitted");
        assert_eq!(shown("  ✓ admitted", false), "  ✓ admitted");
        assert_eq!(shown("    │ ✗", true), "    │ ✗");
    }
}
