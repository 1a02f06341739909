//! The project's own tools, reached through `./x`.
#![allow(
    clippy::print_stdout,
    clippy::print_stderr,
    clippy::exit,
    reason = "a program for people in a checkout"
)]

mod kill;

fn main() {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let rest = match args.as_slice() {
        [test, kill, rest @ ..] if test == "test" && kill == "kill" => rest,
        _ => &[],
    };
    match kill::run(rest) {
        Ok(counts) if counts.failed == 0 => {}
        Ok(_) => std::process::exit(1),
        Err(error) => {
            eprintln!("error: failed to {error:#}");
            std::process::exit(2);
        }
    }
}
