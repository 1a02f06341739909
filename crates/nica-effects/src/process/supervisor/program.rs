//! Whether a file is a program of this machine at all, before it is executed.
//!
//! `execvp` hands what the kernel refuses to a shell (execvp(3)), so a program for another machine would run as a
//! broken script and look like a crash.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

/// Magic, class and byte order; then the machine (elf(5)).
const HEAD_BYTES: usize = 20;

pub(super) fn can_run_here(program: &Path) -> Result<(), String> {
    let read = |path: &Path| head(path).map_err(|error| format!("read {}: {error}", path.display()));
    let (ours, its) = (read(Path::new("/proc/self/exe"))?, read(program)?);
    judge(&its, &ours)
}

fn head(path: &Path) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    File::open(path)?.take(HEAD_BYTES as u64).read_to_end(&mut bytes)?;
    Ok(bytes)
}

fn judge(its: &[u8], ours: &[u8]) -> Result<(), String> {
    if its.starts_with(b"#!") {
        return Ok(());
    }
    if its.len() < HEAD_BYTES || !its.starts_with(b"\x7fELF") {
        return Err("file is neither a program for this machine nor a script".into());
    }
    let machine = |head: &[u8]| (head[4], head[5], head[18], head[19]);
    if machine(its) == machine(ours) {
        return Ok(());
    }
    let number = u16::from_le_bytes([its[18], its[19]]);
    Err(format!("program is for another machine (ELF machine {number}); build the release for this one"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_programs_of_this_machine_and_scripts_can_run_here() {
        let ours = head(Path::new("/proc/self/exe")).expect("we run");
        let mut foreign = ours.clone();
        foreign[18] ^= 0xff;
        assert_eq!(judge(&ours, &ours), Ok(()));
        assert_eq!(judge(b"#!/bin/sh", &ours), Ok(()));
        assert!(judge(&foreign, &ours).is_err_and(|why| why.contains("another machine")));
        assert!(
            judge(b"\x7fELF but not really a program", &ours)
                .is_err_and(|why| why.contains("another machine"))
        );
        for none in [&b""[..], b"MZ", b"\x7fELF"] {
            assert!(judge(none, &ours).is_err_and(|why| why.contains("neither")), "{none:?}");
        }
    }
}
