//! Mistakes that people make in a Dockerfile, built for real: a check that lets one pass checks nothing.

use super::{COMMIT, Scene, VERSION, contents, settings};
use crate::image::Kind;
use crate::image::build::{self, Base, Wanted, Way};
use anyhow::{Context as _, Result, ensure};

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
    Ok(format!("{} mistakes", MISTAKES.iter().map(|mistakes| mistakes.len()).sum::<usize>()))
}

fn told_of(scene: &Scene, dockerfile: &str) -> Result<String> {
    let way = Way::built_here(false);
    let wanted =
        Wanted { kind: Kind::Backend, base: Base::Distroless, way, version: VERSION, commit: COMMIT };
    let built = build::build_named(&scene.store, &wanted, dockerfile, "localhost/nica-planted")?;
    let mut faults = settings::faults(Kind::Backend, &scene.store.inspect(&built.name)?);
    faults.extend(contents::faults(&scene.store, &built.name)?);
    Ok(faults.join("; "))
}
