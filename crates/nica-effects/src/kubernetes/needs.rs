//! What a release's objects refer to and do not bring: is it in the namespace, with its keys? Read before the first write;
//! pods would say it only when they start.

use super::{Cluster, ClusterError};
use nica_engine::manifest::Need;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

impl Cluster {
    /// Those that are not there.
    pub async fn lacks(&self, needs: &BTreeSet<Need>) -> Result<Vec<Need>, ClusterError> {
        let mut there = BTreeMap::new();
        for need in needs.iter().filter(|need| need.of.kind == "ConfigMap" || need.of.kind == "Secret") {
            if !there.contains_key(&need.of) {
                let resource = self.kinds().await?.get(&need.of.kind)?;
                there.insert(need.of.clone(), self.get(resource, &need.of.name).await?);
            }
        }
        let lacks = |need: &&Need| there.get(&need.of).is_some_and(|object| !has(object.as_ref(), need));
        Ok(needs.iter().filter(lacks).cloned().collect())
    }
}

fn has(object: Option<&Value>, need: &Need) -> bool {
    let Some(object) = object else { return false };
    let within = |field: &str, key: &str| object.get(field).is_some_and(|data| data.get(key).is_some());
    need.key.as_deref().is_none_or(|key| within("data", key) || within("binaryData", key))
}

#[cfg(test)]
mod tests {
    use super::*;
    use nica_engine::manifest::Name;
    use serde_json::json;

    #[test]
    fn a_key_is_looked_for_where_either_kind_keeps_it() {
        let map = json!({ "data": { "a": "1" }, "binaryData": { "b": "Mg==" } });
        let check = |object: Option<&Value>, key: Option<&str>, expected| {
            let of = Name { kind: "ConfigMap".into(), name: "theirs".into() };
            assert_eq!(has(object, &Need { of, key: key.map(str::to_string) }), expected, "{key:?}");
        };
        check(None, None, false);
        check(Some(&json!({})), None, true);
        check(Some(&map), Some("a"), true);
        check(Some(&map), Some("b"), true);
        check(Some(&map), Some("c"), false);
    }
}
