//! Rooms inside a crate that must not know other rooms: agents, HTTP, and whoever only judges.

use super::finding::Finding;
use super::names::{Names, at};
use crate::repo::Tree;

pub(crate) const ID: &str = "layers";

struct Layer {
    room: &'static str,
    must_not_name: &'static [&'static str],
    why: &'static str,
}

const DRIVER: &[&str] = &["tokio_postgres", "deadpool_postgres", "postgres_types", "postgres"];

const LAYERS: &[Layer] = &[
    Layer {
        room: "crates/nica-backend/src/agents",
        must_not_name: &[
            "axum",
            "hyper",
            "tower",
            "tower_http",
            "tokio_postgres",
            "deadpool_postgres",
            "postgres_types",
            "crate::bus",
            "crate::store",
            "crate::api",
            "super::super::bus",
            "super::super::store",
            "super::super::api",
        ],
        why: "an agent reasons over data; it does not know HTTP, SQL or the bus",
    },
    Layer {
        room: "crates/nica-backend/src/api",
        must_not_name: DRIVER,
        why: "only store/ and bus/ may name the driver",
    },
    Layer {
        room: "crates/nica-engine/src/gates",
        must_not_name: &["nica_effects", "nica_migrate"],
        why: "a gate does not know how evidence was gathered",
    },
    Layer {
        room: "crates/nica-engine/src/track",
        must_not_name: &["nica_effects", "nica_migrate"],
        why: "a failure class does not know how signals were gathered",
    },
    Layer {
        room: "crates/nica-migrate/src/lint",
        must_not_name: &["tokio", "tokio_postgres", "std::fs", "std::net", "std::process"],
        why: "a lint rule reads statements, nothing else",
    },
];

pub(crate) fn check(tree: &Tree) -> Vec<Finding> {
    LAYERS.iter().flat_map(|layer| judge(tree, layer)).collect()
}

fn judge(tree: &Tree, layer: &Layer) -> Vec<Finding> {
    let parent = format!("{}.rs", layer.room);
    let files = tree.under(layer.room).chain(tree.file(&parent)).filter(|file| file.path.ends_with(".rs"));
    files
        .flat_map(|file| {
            let named = Names::of(file).paths;
            let forbidden = named.into_iter().filter(|n| layer.must_not_name.iter().any(|p| at(&n.text, p)));
            forbidden.map(|named| (file.path.clone(), named)).collect::<Vec<_>>()
        })
        .map(|(path, named)| Finding {
            rule: ID,
            path,
            line: named.line,
            what: format!("`{}` named in {}: {}", named.text, layer.room, layer.why),
            next: "move what needs it to the room that may, and hand the result over as data".into(),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::super::finding::testing::places;
    use super::*;
    use crate::repo::planted::tree;

    #[test]
    fn every_layer_is_red_on_each_forbidden_name() {
        for layer in LAYERS {
            for name in layer.must_not_name {
                let path = format!("{}/a.rs", layer.room);
                let tree = tree(&[(path.as_str(), &format!("\nuse {name}::Thing;"))]);
                assert_eq!(places(check, &tree), [format!("{path}:2")], "{name}");
            }
        }
    }

    #[test]
    fn the_room_s_own_file_is_part_of_the_room() {
        let tree = tree(&[("crates/nica-backend/src/agents.rs", "fn f() { axum::serve(); }")]);
        assert_eq!(places(check, &tree), ["crates/nica-backend/src/agents.rs:1"]);
    }

    #[test]
    fn other_rooms_are_left_alone() {
        let tree = tree(&[
            ("crates/nica-backend/src/store/a.rs", "use tokio_postgres::Row;"),
            ("crates/nica-backend/src/api/a.rs", "use axum::Router;"),
        ]);
        assert_eq!(places(check, &tree), Vec::<String>::new());
    }
}
