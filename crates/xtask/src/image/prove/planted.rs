//! Mistakes that people make in a Dockerfile, built for real: a check that lets one pass checks nothing.

use super::{COMMIT, Scene, VERSION, contents, settings};
use crate::image::Kind;
use crate::image::build::{self, Base, Wanted, Way};
use crate::kill::proc;
use anyhow::{Context as _, Result, ensure};
use std::io::{Seek as _, SeekFrom, Write as _};

const PLANTED: &str = "localhost/nica-planted";
/// e_machine of an ELF file, and EM_S390.
const MACHINE_AT: u64 = 18;
const S390: u16 = 22;

/// What is written instead of what, and what must be said of the image.
type Mistake = (&'static str, &'static str, &'static str);

/// Those of one list are made in one image: each says something of its own.
const MISTAKES: &[&[Mistake]] = &[
    &[
        ("USER 10001:10001\n", "", "user is ``"),
        (
            "HEALTHCHECK --interval=10s --timeout=3s --start-period=30s --retries=3 \\\n    CMD",
            "HEALTHCHECK NONE\n#",
            "probe is `NONE`",
        ),
        ("VOLUME /var/huggingface\n", "", "volumes is ``"),
        ("ENTRYPOINT [\"/usr", "ENTRYPOINT [\"/bin/sh\", \"-c\", \"/usr", "entrypoint is `/bin/sh -c"),
        ("STOPSIGNAL SIGTERM\n", "", "stop signal is ``"),
        ("ARG REVISION=unknown\nARG CREATED\n", "ARG CREATED\n", "label revision is missing"),
        ("COPY --from=build /out/ /\n", "COPY --from=build /out/usr /usr\n", "it trusts 0 certificates"),
    ],
    &[
        ("USER 10001:10001\n", "USER 0:0\n", "user is `0:0`"),
        (
            "COPY --from=build /out/ /\n",
            "COPY --from=build --chown=10001:10001 /out/ /\n",
            "belongs to its own user",
        ),
        (
            "COPY --from=build --chown=10001:10001 /cache",
            "COPY --from=build /cache",
            "/var/huggingface belongs to 0",
        ),
        (
            "VOLUME /var/huggingface\n",
            "VOLUME /var/huggingface\nCOPY --from=build /out/usr/local/bin/nica-backend /bin/sh\n",
            "bin/sh can be run",
        ),
    ],
];

pub(super) fn are_seen(scene: &Scene) -> Result<String> {
    let path = build::dockerfile(Kind::Backend);
    let right = std::fs::read_to_string(&path).with_context(|| format!("read {}", path.display()))?;
    for mistakes in MISTAKES {
        let mut wrong = right.clone();
        for (from, to, _) in *mistakes {
            ensure!(wrong.contains(from), "plant a mistake: the Dockerfile has no {from:?}");
            wrong = wrong.replace(from, to);
        }
        let told = told_of(scene, &wrong)?;
        for (from, to, expected) in *mistakes {
            ensure!(
                told.contains(expected),
                "hear {expected:?} of {to:?} in the place of {from:?}; heard {told:?}"
            );
        }
    }
    let told = foreign(scene)?;
    for expected in ["architecture is `s390x`", "the program is for another kind of machine"] {
        ensure!(told.contains(expected), "hear {expected:?} of an image for another machine; heard {told:?}");
    }
    Ok(format!("{} mistakes", 2 + MISTAKES.iter().map(|mistakes| mistakes.len()).sum::<usize>()))
}

/// The right image, made to be one for a machine that nobody here has.
fn foreign(scene: &Scene) -> Result<String> {
    let (store, what) = (&scene.store, "plant another machine");
    let made = proc::must_succeed(store.buildah().args(["from", "--pull-never", &scene.backend.name]), what)?;
    store.mounted(&made, |root| {
        let program = root.join("usr/local/bin/nica-backend");
        let mut file = std::fs::File::options().write(true).open(program)?;
        file.seek(SeekFrom::Start(MACHINE_AT))?;
        Ok(file.write_all(&S390.to_le_bytes())?)
    })?;
    proc::must_succeed(store.buildah().args(["config", "--arch", "s390x", &made]), what)?;
    proc::must_succeed(
        store.buildah().args(["commit", "--quiet", "--format", "docker", "--rm", &made, PLANTED]),
        what,
    )?;
    let mut faults = settings::faults(Kind::Backend, &store.inspect(PLANTED)?);
    faults.extend(contents::faults(store, PLANTED)?);
    Ok(faults.join("; "))
}

fn told_of(scene: &Scene, dockerfile: &str) -> Result<String> {
    let way = Way::built_here(false);
    let wanted =
        Wanted { kind: Kind::Backend, base: Base::Distroless, way, version: VERSION, commit: COMMIT };
    let built = build::build_named(&scene.store, &wanted, dockerfile, PLANTED)?;
    let mut faults = settings::faults(Kind::Backend, &scene.store.inspect(&built.name)?);
    faults.extend(contents::faults(&scene.store, &built.name)?);
    Ok(faults.join("; "))
}
