//! YAML as people write it, and what its reader makes of it or says of it; at the end the project's own manifests.
//! The words follow go-yaml 2, which is what kubectl reads with.

use super::*;
use serde_json::json;

fn one(text: &str) -> Result<Value, String> {
    let documents = yaml::documents(text).map_err(|mistake| mistake.to_string())?;
    assert!(documents.len() <= 1, "{text}");
    Ok(documents.into_iter().next().map_or(Value::Null, |d| d.value))
}

#[test]
fn plain_words_mean_what_they_mean_to_kubectl() {
    let check = |word: &str, expected: Value| {
        assert_eq!(one(&format!("v: {word}")), Ok(json!({ "v": expected })), "{word}")
    };
    for word in ["yes", "on", "True", "y"] {
        check(word, json!(true));
    }
    for word in ["no", "Off", "FALSE", "n"] {
        check(word, json!(false));
    }
    for word in ["", "~", "null"] {
        check(word, Value::Null);
    }
    check("0644", json!(420));
    check("0o644", json!(420));
    check("0x10", json!(16));
    check("-0b11", json!(-3));
    check("1_000", json!(1000));
    check("08", json!(8));
    check("0.5", json!(0.5));
    check("2.0", json!(2));
    check("1e3", json!(1000));
    check("+7", json!(7));
    check("18446744073709551615", json!(u64::MAX));
    check("-9223372036854775808", json!(i64::MIN));
    for text in
        ["100m", "1Gi", "1.2.3", "nope", ".", "+-1", "0x", "2026-11-25", "8080/TCP", "sha256:0e1", "-x", "1e"]
    {
        check(text, json!(text));
    }
    check("'0644'", json!("0644"));
    check("\"on\"", json!("on"));
    check("!!str 8080", json!("8080"));
    check("|\n  on\n", json!("on\n"));
    assert_eq!(one("v: .inf"), Err("1:4: `.inf` is no number here".into()));
}

#[test]
fn documents_are_told_apart_with_their_lines() {
    let text = "# head\n---\n---\na: 1\n---\n# none\n---\n\nb:\n- 2\n- {c: 3}\n...\n";
    let read = yaml::documents(text).unwrap();
    let told: Vec<_> =
        read.iter().filter(|d| !d.value.is_null()).map(|d| (d.line, d.value.clone())).collect();
    assert_eq!(told, [(4, json!({ "a": 1 })), (9, json!({ "b": [2, { "c": 3 }] }))]);
}

#[test]
fn aliases_and_merges_mean_their_anchors() {
    let text = "base: &b {a: 1, c: 2}\nnext: {<<: *b, a: 9}\nboth: {<<: [{a: 5}, *b]}\nlist: [*b]";
    let expected = json!({
        "base": { "a": 1, "c": 2 }, "next": { "a": 9, "c": 2 }, "both": { "a": 5, "c": 2 },
        "list": [{ "a": 1, "c": 2 }],
    });
    assert_eq!(one(text), Ok(expected));
}

#[test]
fn what_is_not_sure_is_a_mistake_with_its_place() {
    let check = |text: &str, expected: &str| assert_eq!(one(text), Err(expected.to_string()), "{text}");
    check("a: 1\nb: 2\na: 3\n", "3:1: `a` stands here twice; keep one of them");
    check("data:\n  on: x\n", "2:3: the key `on` is no text; write it in quotes");
    check("8080: x\n", "1:1: the key `8080` is no text; write it in quotes");
    check("? [a]\n: b\n", "1:3: a key is a text; what stands here is more than one");
    check("a: !Ref b\n", "1:4: this tag means nothing in a manifest; render the file first");
    check("a: !Sub {b: c}\n", "1:4: this tag means nothing in a manifest; render the file first");
    check("a: {<<: 1}\n", "1:9: `<<` takes a table");
    let deep = format!("{}{}", "[".repeat(101), "]".repeat(101));
    check(&deep, "1:101: this is nested deeper than 100 levels");
    assert!(one("a: [1\nb: 2").unwrap_err().contains("this is not YAML"));
    assert!(one("a: {{ .Values.x }}").is_err());
}

#[test]
fn a_few_lines_cannot_mean_more_than_memory_holds() {
    let level = |n: usize| format!("l{n}: &l{n} [{}]\n", vec![format!("*l{}", n - 1); 10].join(", "));
    let bomb: String = ["l0: &l0 [1, 1]\n".to_string()].into_iter().chain((1..12).map(level)).collect();
    assert!(one(&bomb).unwrap_err().contains("more than a million"));
}

#[test]
fn refusals_are_told_all_at_once_with_their_lines() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("prod.yaml");
    let text = "apiVersion: v1\nkind: Service\nmetadata: {name: s, namespace: other}\n---\nkind: Service\n---\napiVersion: v1\nkind: Pod\nmetadata:\n  name: p\n  namespace: shop\n";
    std::fs::write(&file, text).unwrap();
    let placed = read(std::slice::from_ref(&file)).unwrap();
    let secrets = Default::default();
    let facts = Facts { service: "nica", namespace: "shop", images: &[], secrets: &secrets };
    let told =
        render(&placed, &facts).unwrap_err().to_string().replace(&folder.path().display().to_string(), "");
    insta::assert_snapshot!(told, @r"
    render the manifests: 3 things cannot be carried; nothing was done
    refused[manifest/other-namespace] /prod.yaml:1
      Service/s: is for namespace `other`, and this environment's is `shop`; leave it out or correct one of the two
    refused[manifest/no-object] /prod.yaml:5
      object 2: is no Kubernetes object: `apiVersion` is missing; every document needs apiVersion, kind and metadata.name
    refused[manifest/bare] /prod.yaml:7
      Pod/p: is run by nobody who would replace it; write a Deployment instead
    ");
}

#[test]
fn a_file_without_objects_was_not_rendered() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("prod.yaml");
    std::fs::write(&file, "# nothing yet\n---\n").unwrap();
    assert!(matches!(read(&[file]), Err(ManifestError::Empty { .. })));
    assert!(matches!(read(&[folder.path().join("absent.yaml")]), Err(ManifestError::Unreadable { .. })));
}

/// The service's own manifests are carried in every environment, and what they need beyond themselves is known.
#[test]
fn the_manifests_of_this_project_are_carried() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../infra/k8s");
    let config =
        crate::config::load(&folder.join("nica.toml")).unwrap_or_else(|mistakes| panic!("{mistakes}"));
    let image = |component: &str| manifest::Image {
        component: component.into(),
        repository: format!("registry.example/nica-{component}"),
        digest: nica_engine::Digest::of(component.as_bytes()),
    };
    for (env, environment) in &config.environments {
        let nica_engine::policy::Target::Kubernetes { namespace, manifests, secrets, .. } =
            &environment.reach.target
        else {
            panic!("{env} is a cluster")
        };
        let files: Vec<PathBuf> = manifests.iter().map(|file| folder.join(file)).collect();
        let keys = |keys: &BTreeMap<String, String>| {
            keys.keys().map(|k| (k.clone(), nica_engine::effect::SecretName("n".into()))).collect()
        };
        let secrets = secrets.iter().map(|(name, k)| (name.clone(), keys(k))).collect();
        let images = [image("backend"), image("frontend")];
        let facts = Facts { service: "nica", namespace, images: &images, secrets: &secrets };
        let rendered = render(&read(&files).unwrap(), &facts).unwrap_or_else(|refused| panic!("{refused}"));
        let names: Vec<&str> = rendered.objects.iter().map(|o| o.component.as_str()).collect();
        assert_eq!(
            names[names.len() - 2..],
            ["Deployment/nica-backend", "Deployment/nica-frontend"],
            "{env}"
        );
        assert!(rendered.needs.is_empty(), "the certificate may come later; {env}: {:?}", rendered.needs);
    }
}
