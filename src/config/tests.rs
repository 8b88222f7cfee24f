//! What an admin may rely on when writing files: each mistake is found, placed and explained.

use super::*;
use secrecy::ExposeSecret;
use std::os::unix::fs::PermissionsExt;

/// Files under a fresh directory.
fn place(files: &[(&str, &str)]) -> (tempfile::TempDir, Place) {
    let dir = tempfile::tempdir().expect("a directory");
    for (name, text) in files {
        let path = dir.path().join(name);
        std::fs::create_dir_all(path.parent().expect("a parent")).expect("a folder");
        std::fs::write(path, text).expect("a file");
    }
    let place = Place { dir: dir.path().to_owned(), dev: true };
    (dir, place)
}

fn at(dir: &Path, dev: bool) -> Place {
    Place { dir: dir.to_owned(), dev }
}

/// A connector file whose vendor table ends with `more`, led by `top`.
fn connector(top: &str, more: &str) -> String {
    format!(
        "{top}\n[secrets]\npw = {{ env = \"PATH\" }}\n[servicenow]\norigin = \"http://127.0.0.1:9\"\nuser = \"dutyd\"\n\
         {more}\n[servicenow.sign_in.basic]\npassword = \"pw\"\n"
    )
}

#[test]
fn the_shipped_settings_are_read() {
    let settings = shipped_settings();
    assert_eq!(settings.mode, Mode::Observe, "nothing is written before an admin says so");
    assert_eq!(settings.poll_interval, jiff::SignedDuration::from_secs(60));
    assert_eq!(settings.sandbox.clock, None);
}

#[test]
fn a_key_left_out_has_the_shipped_value() {
    let (_dir, place) = place(&[("dutyd.toml", "mode = \"write\"\n[metrics]\nlisten = \"off\"\n")]);
    let settings = settings(&place.dir).expect("settings");
    let shipped = shipped_settings();
    assert_eq!((settings.mode, settings.metrics.listen), (Mode::Write, Listen::Off));
    assert_eq!((settings.webhook, settings.text), (shipped.webhook, shipped.text));
}

#[test]
fn each_mistake_in_dutyd_toml_is_placed_and_explained() {
    let table: [(&str, u32, u32, &str, &str); 14] = [
        ("mod = \"write\"", 1, 1, "unknown key `mod`", "did you mean `mode`?"),
        ("\n[webhok]\nlisten = \"off\"", 2, 2, "unknown key `webhok`", "did you mean `webhook`?"),
        ("[webhook]\n  lisen = \"off\"", 2, 3, "unknown key `lisen`", "did you mean `listen`?"),
        (
            "[log]\nfree_min = \"5%\"",
            2,
            1,
            "unknown key `free_min`",
            "`free_min` belongs to [storage]; known here",
        ),
        ("[log]\nfree_mn = \"5%\"", 2, 1, "unknown key `free_mn`", "`free_min` belongs to [storage]"),
        ("mode = \"wirte\"", 1, 8, "`wirte` is not a known value", "did you mean `write`?"),
        ("writes_per_hour = \"200\"", 1, 19, "invalid type: string", "expected kind"),
        ("writes_per_hour = -1", 1, 19, "invalid value", "expected kind"),
        ("poll_interval = \"1s\"", 1, 1, "between 5s and 24h", "\"60s\""),
        ("[webhook]\nlisten = \"localhost\"", 2, 10, "invalid address `localhost`", ""),
        ("[text]\nzone = \"Europe/Berln\"", 2, 1, "`Europe/Berln` is not a time zone", "IANA"),
        ("[network]\nproxy = \"proxy\"", 2, 1, "not the address of a proxy", "http://host:port"),
        ("[network]\nca_file = \"/nonexistent.pem\"", 2, 1, "cannot read /nonexistent.pem", "PEM"),
        ("mode = observe", 1, 8, "", "shipped file"),
    ];
    for (text, line, column, message, remedy) in table {
        let (_dir, place) = place(&[("dutyd.toml", text)]);
        let problems = settings(&place.dir).expect_err(text);
        let found = problems.iter().any(|problem| {
            (problem.line, problem.column) == (line, column)
                && problem.message.contains(message)
                && problem.remedy.contains(remedy)
                && problem.file.ends_with("dutyd.toml")
        });
        assert!(found, "{text}: {problems:#?}");
    }
}

#[test]
fn all_mistakes_of_a_file_are_reported_at_once() {
    let text =
        "mod = 1\nwrites_per_hour = \"x\"\n[webhook]\nlisten = 3\nlissen = 4\n[log]\nlevel = \"loud\"\n";
    let (_dir, place) = place(&[("dutyd.toml", text)]);
    let problems = settings(&place.dir).expect_err("mistakes");
    let lines: Vec<u32> = problems.iter().map(|problem| problem.line).collect();
    assert_eq!(lines, [1, 2, 4, 5, 7], "{problems:#?}");
}

#[test]
fn each_mistake_in_a_connector_file_is_placed_and_explained() {
    let table = [
        (connector("mdoe = \"write\"", ""), 1, "unknown key `mdoe`", "did you mean `mode`?"),
        (connector("", "orign = \"x\""), 7, "unknown key `orign`", "did you mean `origin`?"),
        (connector("", "tables = [\"incidnt\"]"), 7, "`incidnt` is not a known value", "`incident`"),
        (connector("name = \"Support EU\"", ""), 1, "cannot be the name of a source", "support-eu"),
        (connector("", "").replace("http://127.0.0.1:9", "http://acme.example"), 5, "plain http", ""),
        (
            connector("", "").replace("password = \"pw\"", "password = \"pv\""),
            9,
            "`pv` is not defined",
            "`pw`",
        ),
        (
            connector("", "").replace("env = \"PATH\"", "env = \"NO_SUCH_VARIABLE\""),
            3,
            "no variable",
            "export",
        ),
        (
            connector("", "").replace("[servicenow", "[servicnow"),
            4,
            "unknown key `servicnow`",
            "`servicenow`",
        ),
        (String::new(), 0, "the file names no system", "[servicenow]"),
    ];
    for (text, line, message, remedy) in table {
        let (_dir, place) = place(&[("connectors/acme.toml", &text)]);
        let problems = Config::load(&place).expect_err(&text);
        let found = problems.iter().any(|problem| {
            problem.line == line && problem.message.contains(message) && problem.remedy.contains(remedy)
        });
        assert!(found, "{text}: {problems:#?}");
    }
}

#[test]
fn a_source_is_named_after_its_file_and_held_back_as_the_machine_is() {
    let settings = "mode = \"write\"\nwrites_per_hour = 7\n";
    let (_dir, place) = place(&[
        ("dutyd.toml", settings),
        ("connectors/acme.toml", &connector("", "")),
        (
            "connectors/own.toml",
            &connector("name = \"other\"\nmode = \"observe\"\npoll_interval = \"30s\"", ""),
        ),
    ]);
    let config = Config::load(&place).expect("a configuration");
    let seen: Vec<_> = config.sources.iter().map(|source| (source.name.as_str(), &source.brakes)).collect();
    let brakes = |mode, seconds| Brakes {
        mode,
        writes_per_hour: 7,
        poll_interval: jiff::SignedDuration::from_secs(seconds),
        start_from: None,
    };
    assert_eq!(seen, [("acme", &brakes(Mode::Write, 60)), ("other", &brakes(Mode::Observe, 30))]);
}

#[test]
fn two_sources_of_one_name_are_refused() {
    let (_dir, place) = place(&[
        ("connectors/acme.toml", &connector("", "")),
        ("connectors/own.toml", &connector("name = \"acme\"", "")),
    ]);
    let problems = Config::load(&place).expect_err("a clash");
    assert!(problems[0].message.contains("another file has a source named `acme`"), "{problems:?}");
}

#[test]
fn the_sandbox_clock_is_refused_beside_a_real_system() {
    let clock = "[sandbox]\nclock = \"http://127.0.0.1:9\"\n";
    let real = connector("", "").replace("http://127.0.0.1:9", "https://acme.example");
    let (_dir, mixed) = place(&[("dutyd.toml", clock), ("connectors/acme.toml", &real)]);
    let problems = Config::load(&mixed).expect_err("a real system");
    assert!(problems[0].message.contains("`acme` is a real system"), "{problems:?}");
    let (_dir, local) = place(&[("dutyd.toml", clock), ("connectors/acme.toml", &connector("", ""))]);
    assert!(Config::load(&local).is_ok());
    let (_dir, far) = place(&[("dutyd.toml", "[sandbox]\nclock = \"http://10.0.0.1:9\"\n")]);
    assert!(Config::load(&far).expect_err("not here")[0].message.contains("not on loopback"));
}

#[test]
fn secrets_from_the_environment_need_dev() {
    let source = SecretSource::Env("PATH".to_owned());
    assert!(source.resolve(&at(Path::new("/"), true)).is_ok());
    assert!(
        source
            .resolve(&at(Path::new("/"), false))
            .expect_err("refused")
            .message
            .contains("environment are refused")
    );
}

#[test]
fn a_secret_file_that_others_may_read_is_refused() {
    let dir = tempfile::tempdir().expect("a directory");
    let path = dir.path().join("secret");
    std::fs::write(&path, "s3cret\n").expect("a file");
    let source = SecretSource::File(path.clone());
    let strict = at(dir.path(), false);
    for (mode, allowed) in [(0o600, true), (0o400, true), (0o640, false), (0o644, false), (0o604, false)] {
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).expect("a mode");
        assert_eq!(source.resolve(&strict).is_ok(), allowed, "{mode:o}");
    }
    let secret = source.resolve(&at(dir.path(), true)).expect("a secret");
    assert_eq!(secret.expose_secret(), "s3cret", "the line break is not part of it");
}

#[test]
fn a_credential_is_read_beside_the_configuration_where_systemd_hands_over_none() {
    let (_dir, place) = place(&[("cred/token", "s3cret\n")]);
    let credential = |name: &str| SecretSource::Credential(name.to_owned()).resolve(&place);
    assert_eq!(credential("token").expect("a secret").expose_secret(), "s3cret");
    assert!(credential("tokn").expect_err("absent").remedy.contains("cred/tokn"));
    for name in ["", "../token", "a/b", ".hidden"] {
        assert!(credential(name).expect_err(name).message.contains("cannot be the name"), "{name}");
    }
}

#[test]
fn a_secret_never_prints() {
    let (_dir, place) = place(&[("connectors/acme.toml", &connector("", ""))]);
    let config = Config::load(&place).expect("a configuration");
    let printed = format!("{config:?}");
    assert!(!printed.contains(&std::env::var("PATH").expect("a PATH")), "{printed}");
}

#[test]
fn every_vendor_has_a_shipped_connector_file_and_each_is_read() {
    let folder = format!("{}/config/connectors", env!("CARGO_MANIFEST_DIR"));
    let secrets = tempfile::tempdir().expect("a directory");
    let read = |path: PathBuf| {
        let text = std::fs::read_to_string(&path).expect("a file");
        let text = with_secret_files(&text, secrets.path());
        let name = path.display().to_string();
        let source = Source::read(&name, &text, &shipped_settings(), &at(secrets.path(), true));
        source.unwrap_or_else(|problems| panic!("{name}: {problems:#?}")).config.vendor()
    };
    let read: Vec<&str> = toml_files(Path::new(&folder)).expect("files").into_iter().map(read).collect();
    for vendor in vendors() {
        assert!(read.contains(&vendor.as_str()), "{vendor}: {read:?}");
        assert!(shipped::connector(&vendor).is_some(), "{vendor} is not in the binary");
    }
}

/// The shipped file with each credential replaced by a file.
fn with_secret_files(text: &str, dir: &Path) -> String {
    let file = dir.join("secret");
    std::fs::write(&file, "x").expect("a secret");
    let replace = |line: &str| match line.split_once("{ credential = ") {
        Some((key, _)) if !line.starts_with('#') => {
            format!("{key}{{ file = {:?} }}", file.display().to_string())
        }
        _ => line.to_owned(),
    };
    text.lines().map(replace).collect::<Vec<_>>().join("\n")
}

#[test]
fn the_committed_schemas_are_up_to_date() {
    for of in SchemaOf::ALL {
        let path = format!("{}/config/schema/{}", env!("CARGO_MANIFEST_DIR"), of.file_name());
        let fresh = serde_json::to_string_pretty(&schema(of)).expect("JSON") + "\n";
        if std::env::var_os("UPDATE").is_some() {
            std::fs::write(&path, &fresh).expect(&path);
        }
        let committed = std::fs::read_to_string(&path).unwrap_or_default();
        assert!(committed == fresh, "{path} is not up to date: run UPDATE=1 cargo test");
    }
}

#[test]
fn the_schemas_accept_what_the_reader_accepts() {
    let shipped: toml::Table = DEFAULTS.parse().expect("TOML");
    let table = [
        (SchemaOf::Config, serde_json::to_value(&shipped).expect("JSON"), true),
        (SchemaOf::Config, serde_json::json!({"mode": "write"}), true),
        (SchemaOf::Config, serde_json::json!({"mod": "write"}), false),
        (SchemaOf::Config, serde_json::json!({"webhook": {"lisen": "off"}}), false),
        (SchemaOf::Connector, serde_json::json!({"mode": "write"}), false),
        (SchemaOf::Connector, serde_json::to_value(connector_table()).expect("JSON"), true),
    ];
    for (of, value, accepted) in table {
        let validator = jsonschema::validator_for(&schema(of)).expect("a schema");
        let errors: Vec<String> = validator.iter_errors(&value).map(|error| error.to_string()).collect();
        assert_eq!(errors.is_empty(), accepted, "{value}: {errors:?}");
    }
}

fn connector_table() -> toml::Table {
    connector("name = \"acme\"", "").parse().expect("TOML")
}
